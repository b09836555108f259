"""The evidence is gathered by commands that can be stopped, and its figures are those of their definitions."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, mean_absolute_error

from app.experiments import Said
from benchmarks.evidence import changes, collection, cost, page, rubric, simulated, stronger, worst
from benchmarks.evidence.collection import Part, mix_of
from benchmarks.evidence.figures import over_seeds
from benchmarks.evidence.ledger import Way
from engine import predictions
from engine.metrics import measure
from engine.pairs import read_manifest
from engine.predictions import Predictions

SMALL = {
    "front_encoder": "mobilenet_v2",
    "back_encoder": "mobilenet_v2",
    "image_size": 64,
    "batch_size": 8,
    "phase2_epochs": 1,
    "measured_targets": False,
    "device": "cpu",
}


def said_of(seed, cards=60):
    """What a middling judge says of cards in groups of three."""
    random = np.random.default_rng(seed)
    truth = np.random.default_rng(0).integers(1, 11, cards)
    probabilities = random.dirichlet(np.ones(10), cards) + 2 * np.eye(10)[truth - 1] * random.random((cards, 1))
    groups = tuple(str(card // 3) for card in range(cards))
    return Predictions(
        tuple(map(str, range(cards))), groups, truth, probabilities / probabilities.sum(axis=1, keepdims=True)
    )


def test_one_run_s_figures_and_intervals_are_those_that_evaluate_publishes():
    said = said_of(1)
    published = measure(said.truth, said.probabilities, said.groups)
    for name, figure in over_seeds([said]).items():
        assert figure == pytest.approx([published[name], published[f"{name}_low"], published[f"{name}_high"]])


def test_several_runs_figures_are_their_means_and_their_intervals_are_wider_than_one_s():
    several = [said_of(seed) for seed in (1, 2, 3)]
    told = [each.probabilities.argmax(axis=1) + 1 for each in several]
    figures = over_seeds(several)
    truth = several[0].truth
    kappas = [cohen_kappa_score(truth, each, labels=range(1, 11), weights="quadratic") for each in told]
    assert figures["qwk"].value == pytest.approx(np.mean(kappas))
    assert figures["mae"].value == pytest.approx(np.mean([mean_absolute_error(truth, each) for each in told]))
    assert figures["qwk"].low < min(kappas) < max(kappas) < figures["qwk"].high


def test_the_worst_errors_are_those_whose_expected_grade_lies_furthest_away():
    said = said_of(1)
    certain = np.eye(10)[said.truth - 1]
    certain[[7, 30]] = np.eye(10)[(said.truth[[7, 30]] + [4, 7]) % 10]
    off = np.abs(certain.argmax(axis=1) + 1 - said.truth)
    found = worst.worst(replace(said, probabilities=certain))
    assert set(found[:2]) == {7, 30}
    assert off[found[0]] >= off[found[1]] > 0 == off[found[2]]


@pytest.fixture
def small(monkeypatch):
    """Every step as it is, on few small cards."""
    parts = (
        Part("train_history", "history", 30, 101, test=False),
        Part("train_uniform", "uniform", 30, 102, test=False),
        Part("test_history", "history", 9, 201, test=True),
        Part("test_uniform", "uniform", 9, 202, test=True),
    )
    monkeypatch.setattr(collection, "PARTS", parts)
    monkeypatch.setattr(collection, "HEIGHT", 300)
    monkeypatch.setattr(collection, "VALIDATED", 2)
    monkeypatch.setattr(simulated, "SEEDS", (1, 2))
    monkeypatch.setattr(simulated, "SHARED", SMALL)
    monkeypatch.setattr(stronger, "VIEWS", (4,))
    monkeypatch.setattr(changes, "SHARED", SMALL)
    some = (Way("plain colours", "ordinal", {"channels": "rgb"}, Said(hypothesis="as good")),)
    monkeypatch.setattr(changes, "CHANGES", some)


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_the_evidence_is_gathered_once_and_told_on_one_page(tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    found = simulated.run(out)
    assert found["history"]["n"] == found["uniform"]["n"] == 9
    assert set(found["uniform"]["ways"]) == {"baseline", "ordinal", "loupe", "four_at_once", "rubric"}
    assert set(found["uniform"]["less"]) == {"baseline", "ordinal", "four_at_once"}
    splits = {pair.split for pair in read_manifest(out / "cards.csv").pairs if mix_of(pair.card_id) == "uniform"}
    assert splits == {"train", "val", "test"}

    better = stronger.run(out)
    assert {name: way["looks"] for name, way in better["ways"].items()} == {
        "single": 1,
        "4 views": 4,
        "ensemble": 2,
        "ensemble, 4 views": 8,
        "distilled": 1,
    }
    assert changes.run(out)[0]["change"] == "plain colours"

    models = {path: path.stat().st_mtime_ns for path in (out / "data" / "runs").glob("*/model.pt")}
    # Four recipes, what was distilled, and the change, by two seeds each: its reference is one of the four.
    assert len(models) == 12
    assert simulated.run(out)["uniform"]["ways"]["loupe"] == found["uniform"]["ways"]["loupe"]
    assert {path: path.stat().st_mtime_ns for path in models} == models

    monkeypatch.setattr(cost, "SIZES", (64,))
    monkeypatch.setattr(cost, "RECIPES", ("loupe",))
    assert cost.run(out)["networks"][0]["grading"]["pairs_per_second"] > 0
    monkeypatch.setattr(page, "PAGE", out / "evidence.md")
    monkeypatch.setattr(page, "PICTURES", out / "evidence")
    assert page.run(out)["missing"] == ["fronts"]
    text = (out / "evidence.md").read_text(encoding="utf-8")
    assert f"{found['uniform']['ways']['loupe']['qwk'][0]:.3f}" in text
    assert cv2.imread(str(out / "evidence" / "simulated.png")).shape[1] > 1000

    pairs = [pair for pair in read_manifest(out / "cards.csv").pairs if pair.split == "test"]
    worst.sheet(predictions.read(out / "rubric.csv"), pairs, out / "worst.jpg")
    assert cv2.imread(str(out / "worst.jpg")).shape[0] > 800
    assert rubric.by_rubric([], out / "rubric.csv").cards == tuple(pair.card_id for pair in pairs)
