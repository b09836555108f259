"""Runs are compared in pairs of one seed; what cannot be paired is named, and nothing is left out in silence."""

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
def own_data_folder(tmp_path, monkeypatch):
    """No test may touch the data folder of whoever runs it."""
    monkeypatch.setenv("LOUPE_DATA", str(tmp_path / "from_environment"))


@pytest.fixture
def ended(tmp_path):
    """Write what a run of one epoch leaves behind, without training it."""

    def write(name: str, seed: int, learned: int = 3, **settings: object) -> Path:
        folder = tmp_path / name
        pairs = [CardPair(f"t{n}", tmp_path / f"{n}.png", None, 9, split="train") for n in range(learned)]
        run_folder.record(folder, build({"seed": seed, **settings}), pairs)
        said = np.clip(TRUTH + np.random.default_rng(len(name) + seed).integers(-1, 2, len(TRUTH)), 1, 10)
        cards = tuple(f"c{n}" for n in range(len(TRUTH)))
        predictions.write(folder / predictions.FILE, Predictions(cards, cards, TRUTH, np.eye(10)[said - 1]))
        (folder / "epochs.jsonl").write_text(json.dumps({"epoch": 1, "qwk": 0.5, "val_loss": 1.0}) + "\n")
        return folder

    return write


def test_a_run_without_a_partner_of_its_seed_is_named_in_the_result_and_on_the_terminal(ended):
    candidates = [ended(f"new-{seed}", seed, dropout=0.1) for seed in (0, 1, 2)]
    references = [ended(f"old-{seed}", seed) for seed in (1, 2, 3)]
    said = call("compare", *candidates, *(word for each in references for word in ("--with", each)))
    assert said.code == 0, said.err
    (compared,) = said.result["comparisons"]
    assert compared["seeds"] == [1, 2]
    assert compared["left_out"] == [
        {"run": str(candidates[0]), "seed": 0, "reason": "no run on the other side has its seed, 0"},
        {"run": str(references[2]), "seed": 3, "reason": "no run on the other side has its seed, 3"},
    ]
    for left, told in zip((candidates[0], references[2]), said.err.splitlines(), strict=True):
        assert told.startswith(f"{left} is left out of the comparison of {candidates[0]} with {references[0]}: no run")


def test_where_every_seed_has_its_partner_nothing_is_left_out(ended):
    said = call("compare", ended("new", 0, dropout=0.1), "--with", ended("old", 0))
    assert said.result["comparisons"][0]["left_out"] == []
    assert said.err == ""


@pytest.mark.parametrize("side", ["candidates", "references"])
def test_two_runs_of_one_seed_on_one_side_are_refused_naming_both(ended, side):
    new, again, old, older = (
        ended("new", 0, dropout=0.1),
        ended("again", 0, dropout=0.1),
        ended("old", 0),
        ended("older", 0),
    )
    if side == "candidates":
        complaint, named = call("compare", new, again, "--with", old).complaint, (new, again)
    else:
        complaint, named = call("compare", new, "--with", old, "--with", older).complaint, (old, older)
    assert complaint == f"loupe: {named[0]} and {named[1]} are one way of training with one seed, 0; give one of them"


def test_losses_are_compared_only_where_both_have_learned_from_the_same_cards(ended):
    old = ended("old", 0)
    for name, learned, delta, reason in (("same", 3, 0.0, ""), ("more", 4, None, "learned from or were validated on")):
        said = call("compare", ended(name, 0, learned, dropout=0.1), "--with", old)
        (compared,) = said.result["comparisons"]
        assert compared["delta_val_loss"] == delta
        assert reason in compared["val_loss_reason"]


def test_a_run_on_fewer_cards_is_another_way_of_training_whose_loss_is_a_mean_over_others(ended):
    whole, fewer = ended("whole", 0, loss="ordinal", class_weights="none"), ["fewer", 0, 3]
    few = ended(*fewer, loss="ordinal", class_weights="none", max_pairs=2)
    (compared,) = call("compare", few, "--with", whole).result["comparisons"]
    assert compared["changed"] == {"max_pairs": {"reference": 0, "own": 2}}
    assert compared["changes"] == 1
    assert "learned from or were validated on other cards" in compared["val_loss_reason"]
    other_seed = ended("other seed", 1, loss="ordinal", class_weights="none")
    refused = call(
        "compare", few, "--with", whole, "--with", ended("x", 1, loss="ordinal", max_pairs=2), "--with", other_seed
    )
    assert "differ in more than their seed" in refused.complaint
