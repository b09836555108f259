"""Runs are compared in pairs with the same seed; runs without a partner are named."""

import json
from pathlib import Path

import numpy as np
import pytest

from engine.cards.pairs import CardPair
from engine.config import build
from engine.evaluation import predictions
from engine.evaluation.predictions import Predictions
from engine.experiments import run_folder
from tests.commands import call

TRUTH = np.array([1, 3, 5, 6, 8, 9, 10, 10])


@pytest.fixture(autouse=True)
def empty_data_folder(tmp_path, monkeypatch):
    """Keep tests away from the user's data folder."""
    monkeypatch.setenv("LOUPE_DATA", str(tmp_path / "from_environment"))


@pytest.fixture
def finished_run(tmp_path):
    """Write the folder of a run of one epoch, without training it."""

    def write(name: str, seed: int, training_cards: int = 3, **settings: object) -> Path:
        folder = tmp_path / name
        pairs = [CardPair(f"t{n}", tmp_path / f"{n}.png", None, 9, split="train") for n in range(training_cards)]
        run_folder.save(folder, build({"seed": seed, **settings}), pairs)
        predicted = np.clip(TRUTH + np.random.default_rng(len(name) + seed).integers(-1, 2, len(TRUTH)), 1, 10)
        cards = tuple(f"c{n}" for n in range(len(TRUTH)))
        predictions.write(folder / predictions.FILE_NAME, Predictions(cards, cards, TRUTH, np.eye(10)[predicted - 1]))
        (folder / "epochs.jsonl").write_text(json.dumps({"epoch": 1, "qwk": 0.5, "val_loss": 1.0}) + "\n")
        return folder

    return write


def test_a_run_without_a_partner_of_its_seed_is_named_in_the_result_and_on_the_terminal(finished_run):
    candidates = [finished_run(f"new-{seed}", seed, dropout=0.1) for seed in (0, 1, 2)]
    references = [finished_run(f"old-{seed}", seed) for seed in (1, 2, 3)]
    output = call("compare", *candidates, *(word for reference in references for word in ("--against", reference)))
    assert output.exit_code == 0, output.err
    (compared,) = output.result["comparisons"]
    assert compared["seeds"] == [1, 2]
    assert compared["left_out"] == [
        {"run": str(candidates[0]), "seed": 0, "reason": "no run on the other side has its seed, 0"},
        {"run": str(references[2]), "seed": 3, "reason": "no run on the other side has its seed, 3"},
    ]
    for run, line in zip((candidates[0], references[2]), output.err.splitlines(), strict=True):
        assert line.startswith(f"{run} is left out of the comparison of {candidates[0]} with {references[0]}: no run")


def test_with_the_same_seeds_on_both_sides_no_run_is_left_out(finished_run):
    output = call("compare", finished_run("new", 0, dropout=0.1), "--against", finished_run("old", 0))
    assert output.result["comparisons"][0]["left_out"] == []
    assert output.err == ""


@pytest.mark.parametrize("side", ["candidates", "references"])
def test_two_runs_of_one_seed_on_one_side_are_refused_naming_both(finished_run, side):
    new, again, old, older = (
        finished_run("new", 0, dropout=0.1),
        finished_run("again", 0, dropout=0.1),
        finished_run("old", 0),
        finished_run("older", 0),
    )
    if side == "candidates":
        error_line, named = call("compare", new, again, "--against", old).error_line, (new, again)
    else:
        error_line, named = call("compare", new, "--against", old, "--against", older).error_line, (old, older)
    assert (
        error_line == f"loupe: {named[0]} and {named[1]} have the same settings and the same seed, 0; give one of them"
    )


def test_losses_are_compared_only_if_both_runs_use_the_same_cards(finished_run):
    old = finished_run("old", 0)
    for name, training_cards, delta, reason in (
        ("same", 3, 0.0, ""),
        ("more", 4, None, "learned from or were validated on"),
    ):
        output = call("compare", finished_run(name, 0, training_cards, dropout=0.1), "--against", old)
        (compared,) = output.result["comparisons"]
        assert compared["delta_val_loss"] == delta
        assert reason in compared["val_loss_reason"]


def test_a_run_on_fewer_cards_differs_by_one_change_and_its_loss_is_not_compared(finished_run):
    whole, fewer = finished_run("whole", 0, loss="ordinal", class_weights="none"), ["fewer", 0, 3]
    few = finished_run(*fewer, loss="ordinal", class_weights="none", max_pairs=2)
    (compared,) = call("compare", few, "--against", whole).result["comparisons"]
    assert compared["changed"] == {"max_pairs": {"reference": 0, "own": 2}}
    assert compared["changes"] == 1
    assert "learned from or were validated on other cards" in compared["val_loss_reason"]
    other_seed = finished_run("other seed", 1, loss="ordinal", class_weights="none")
    refused = call(
        "compare",
        few,
        "--against",
        whole,
        "--against",
        finished_run("x", 1, loss="ordinal", max_pairs=2),
        "--against",
        other_seed,
    )
    assert "differ in more than their seed" in refused.error_line
