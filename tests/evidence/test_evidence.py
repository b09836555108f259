"""The evidence is gathered by commands that can be stopped, and its figures are those of their definitions."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, mean_absolute_error

from app.runs.plan_input import Said
from benchmarks.accuracy import real_fronts
from engine.cards.pairs import CardPair, read_manifest, write_manifest
from engine.evaluation import predictions
from engine.evaluation.calibration import said_of as said_of_card
from engine.evaluation.metrics import measure
from engine.evaluation.predictions import Predictions
from engine.evaluation.uncertainty import published
from engine.inference.model_card import Measured, write
from engine.simulate.cards import Recipe
from engine.simulate.folder import write_cards as draw
from evidence import (
    cached_json,
    changes,
    collection,
    cost,
    fronts,
    page,
    rubric,
    sections,
    simulated,
    sizes,
    stronger,
    worst,
)
from evidence.collection import Part, mix_of
from evidence.figures import mean, over_seeds
from evidence.fronts import Network
from evidence.ledger import Way
from labeling.snapshot import pairs_from_manifest
from tests.card_factory import write_cards
from tests.engine.inference.test_model_card import a_card

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


def test_a_figure_that_is_undefined_is_none_and_no_number():
    said = said_of(1)
    figures = over_seeds([said.chosen(np.flatnonzero(said.truth < 9))])
    assert figures["auc_9_10"] == (None, None, None)
    assert figures["qwk"].value is not None


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
    monkeypatch.setattr(collection, "HEIGHT", 300)
    monkeypatch.setattr(collection, "VALIDATED", 2)
    for step in (simulated, stronger):
        monkeypatch.setattr(step, "SEEDS", (1, 2))
    for step in (changes, sizes):
        monkeypatch.setattr(step, "collected", lambda folder: collection.collected(folder, parts))
        monkeypatch.setattr(step, "SHARED", SMALL)
    monkeypatch.setattr(sizes, "SIZES", (64, 96))
    monkeypatch.setattr(stronger, "VIEWS", (4,))
    some = (Way("plain colours", "ordinal", {"channels": "rgb"}, Said(hypothesis="as good")),)
    monkeypatch.setattr(changes, "ROUNDS", (changes.Round("ordinal", some),))
    return simulated.Size(parts, simulated.SMALL.recipes, SMALL, larger=96)


def test_a_missing_or_unreadable_side_is_an_empty_place_among_the_worst(tmp_path):
    manifest = read_manifest(write_cards(tmp_path / "cards", [9, 8, 7, 6])).pairs
    (tmp_path / "noise.png").write_text("no picture")
    pairs = [replace(manifest[0], back=None), replace(manifest[1], front=tmp_path / "noise.png"), *manifest[2:]]
    names = tuple(pair.card_id for pair in pairs)
    said = Predictions(names, names, np.array([9, 8, 7, 6]), np.tile(np.eye(10)[0], (4, 1)))
    worst.sheet(said, pairs, tmp_path / "worst.jpg")
    sheet = cv2.imread(str(tmp_path / "worst.jpg"))
    cell = sheet.shape[1] // worst.COLUMNS
    assert sheet.shape[0] == worst.CAPTION_PX + worst.SIDE_PX[0]
    pictures = sheet[worst.CAPTION_PX :]
    white = [(pictures[:, place * cell // 2 : (place + 1) * cell // 2] > 240).mean() > 0.99 for place in range(10)]
    # The back of the first, the front of the second, and the fifth that there is not.
    assert [place for place, empty in enumerate(white) if empty] == [1, 2, 8, 9]


def test_the_page_tells_of_the_starter_only_where_it_was_made_and_looked_at(tmp_path, monkeypatch):
    said = said_of(1)
    told = said_of_card(said.probabilities, None)
    figures = {**published(said, told, calibrated=False), "calibration": None}
    ships, made = tmp_path / "ships", tmp_path / "out" / "starter"
    ships.mkdir()
    write(ships, a_card(measured=[Measured(on="fresh cards", figures=figures)]))
    for name, value in (("MODEL", ships / "model.pt"), ("PAGE", tmp_path / "evidence.md"), ("PICTURES", tmp_path)):
        monkeypatch.setattr(page, name, value)
    monkeypatch.setattr(page, "EXPLAINED", tmp_path / "worst.md")
    less = {"label alone, less pretrained": {"delta": -0.3, "low": -0.4, "high": -0.2, "p_holm": 0.002, "cards": 57}}
    cached_json.write(tmp_path / "out" / "fronts.json", {"ways": {"pretrained": {**figures, "n": 60}}, "less": less})
    assert page.run(tmp_path / "out")["missing"] == ["starter", "simulated", "changes", "sizes", "stronger", "cost"]
    text = (tmp_path / "evidence.md").read_text(encoding="utf-8")
    assert f"| pretrained | 60 | {figures['qwk']:.3f} (" in text
    assert "| reference: plain fine-tune" in text
    assert "| label alone, less pretrained | 57 | -0.300 (-0.400 to -0.200) | 0.002 |" in text

    (made / "fresh").mkdir(parents=True)
    (made / "fresh" / "noise.png").write_text("no picture")
    pairs = [CardPair(name, made / "fresh" / "noise.png", None, 5.0) for name in said.cards]
    write_manifest(made / "fresh" / "labels.csv", pairs)
    predictions.write(made / "fresh.csv", said)
    cached_json.write(made / "evaluate.json", {"model": {"sha256": "b" * 64}})
    with pytest.raises(SystemExit, match="another model than the one that ships"):
        page.run(tmp_path / "out")
    cached_json.write(made / "evaluate.json", {"model": {"sha256": a_card().sha256}})
    for words, shown in (("of another model", False), (f"{a_card().sha256}: worn corners", True)):
        (tmp_path / "worst.md").write_text(words, encoding="utf-8")
        assert "starter" not in page.run(tmp_path / "out")["missing"]
        text = (tmp_path / "evidence.md").read_text(encoding="utf-8")
        assert (words in text, "Nobody has looked at them yet." in text) == (shown, not shown)


def test_a_section_stays_as_it_stands_where_the_folder_does_not_hold_what_its_step_found(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "PAGE", tmp_path / "evidence.md")
    less = {"label alone, less pretrained": {"delta": -0.3, "low": -0.4, "high": -0.2, "p_holm": 0.002, "cards": 57}}
    said = said_of(1)
    found = {"ways": {"pretrained": measure(said.truth, said.probabilities, said.groups)}, "less": less}
    first, second = tmp_path / "first", tmp_path / "second"
    cached_json.write(first / "fronts.json", found)
    assert page.run(first)["kept"] == []
    alone = page.PAGE.read_text(encoding="utf-8")
    assert "\n## Cost\n" not in alone
    assert "Starter, simulated, changes, sizes, stronger, cost." in alone

    network = {"recipe": "loupe", "image_size": 384, "parameters": 33_400_000}
    speeds = ("grading", "training 32", "training bf16")
    network |= {name: {"pairs_per_second": 2.0, "memory_mib": 900.0} for name in speeds}
    before = {"sides": 12, "seconds to find": 0.02, "seconds to measure": 0.3}
    told = {"device": "a processor", "steps": 3, "networks": [network], "before the network": before}
    cached_json.write(second / "cost.json", told)
    assert page.run(second) == {
        "page": str(page.PAGE),
        "kept": ["fronts"],
        "missing": ["starter", "simulated", "changes", "sizes", "stronger"],
    }
    both = page.PAGE.read_text(encoding="utf-8")
    assert alone.split("\n## ")[1] == both.split("\n## ")[1]

    cached_json.write(second / "fronts.json", found)
    page.run(second)
    assert page.PAGE.read_text(encoding="utf-8") == both


def test_larger_pictures_are_told_with_what_they_gain_and_what_full_size_would_take():
    less = {"delta": 0.01, "low": -0.02, "high": 0.04, "p_holm": 0.5}
    figures = over_seeds([said_of(1)])
    mix = {"n": 60, "figures": {"96": figures, "448": figures}, "less": {"448": less}}
    pace = {"96": 30.0, "448": 2.0}
    found = {"told": {"device": "cpu"}, "seeds": [1, 2], "sizes": [96, 448], "pairs_per_second": pace}
    text = "\n".join(sections.sizes({**found, "history": mix, "uniform": mix}))
    assert f"| 96 | 30.0 | {figures['qwk'].value:.3f} (" in text
    assert "| +0.010 (-0.020 to +0.040) | 0.500 |" in text
    # 6,125 pairs, 30 epochs, 2 pairs a second: 91,875 s.
    assert "takes 26 hours" in text


def test_the_mean_of_several_models_is_that_of_their_probabilities_on_the_cards_all_have_judged():
    one, other = said_of(1), said_of(2).chosen(np.arange(40))
    together = mean([one, other])
    assert together.cards == one.cards[:40]
    np.testing.assert_allclose(together.probabilities, (one.probabilities[:40] + other.probabilities) / 2)


@pytest.mark.slow
def test_the_evidence_is_gathered_once_and_told_on_one_page(small, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    found = simulated.run(out, small)
    assert found["history"]["n"] == found["uniform"]["n"] == 9
    assert set(found["uniform"]["ways"]) == {*small.recipes, simulated.RUBRIC}
    assert set(found["uniform"]["less"]) == {*small.recipes, simulated.RUBRIC} - {"loupe"}
    splits = {pair.split for pair in read_manifest(out / "cards.csv").pairs if mix_of(pair.card_id) == "uniform"}
    assert splits == {"train", "val", "test"}

    better = stronger.run(out, small)
    assert {name: way["looks"] for name, way in better["history"]["ways"].items()} == {
        "single": 1,
        "4 views": 4,
        "ensemble": 2,
        "ensemble, 4 views": 8,
        "distilled from the ensemble": 1,
        "96 px": 1,
    }
    assert better["uniform"]["ways"]["single"]["figures"] == found["uniform"]["ways"]["loupe"]
    larger = sizes.run(out)["uniform"]
    assert larger["figures"]["96"] == better["uniform"]["ways"]["96 px"]["figures"]
    assert larger["less"]["96"]["delta"] == pytest.approx(better["uniform"]["ways"]["96 px"]["less"]["delta"])
    (told,) = changes.run(out)["rounds"]
    assert (told["recipe"], [row["change"] for row in told["rows"]]) == ("ordinal", ["plain colours"])

    models = {path: path.stat().st_mtime_ns for path in (out / "data" / "runs").glob("*/model.pt")}
    # Four recipes, what was distilled, what sees more and the change, by two seeds each: its reference is of the four.
    assert len(models) == 14
    assert simulated.run(out, small)["uniform"]["ways"]["loupe"] == found["uniform"]["ways"]["loupe"]
    assert {path: path.stat().st_mtime_ns for path in models} == models

    monkeypatch.setattr(cost, "SIZES", (64,))
    monkeypatch.setattr(cost, "RECIPES", ("loupe",))
    assert cost.run(out)["networks"][0]["grading"]["pairs_per_second"] > 0
    monkeypatch.setattr(page, "PAGE", out / "evidence.md")
    monkeypatch.setattr(page, "PICTURES", out / "evidence")
    assert page.run(out)["missing"] == ["starter", "fronts"]
    text = (out / "evidence.md").read_text(encoding="utf-8")
    assert f"{found['uniform']['ways']['loupe']['qwk'][0]:.3f}" in text
    assert cv2.imread(str(out / "evidence" / "simulated.png")).shape[1] > 1000

    pairs = [pair for pair in read_manifest(out / "cards.csv").pairs if pair.split == "test"]
    worst.sheet(predictions.read(out / "rubric.csv"), pairs, out / "worst.jpg")
    assert cv2.imread(str(out / "worst.jpg")).shape[0] > 800
    with pytest.raises(SystemExit, match="is of other cards"):
        rubric.by_rubric(pairs[1:], out / "rubric.csv")
    with pytest.raises(SystemExit, match="filled by another plan"):
        collection.collected(out, small.parts[:2])


@pytest.fixture
def few_fronts(tmp_path, monkeypatch):
    """Sixty simulated slabs where the real fronts would lie, and networks that are soon trained on them."""
    drawn = Recipe(seed=5, mix="uniform", height=300, kinds=(("slab", 1.0),))
    draw(tmp_path / "drawn", drawn, 60, workers=1)
    for pair in read_manifest(tmp_path / "drawn" / "labels.csv").pairs:
        grade = tmp_path / "fronts" / f"psa{pair.grade:.0f}"
        grade.mkdir(parents=True, exist_ok=True)
        (grade / pair.front.name).write_bytes(pair.front.read_bytes())
    monkeypatch.setattr(real_fronts, "FRONTS", tmp_path / "fronts")
    replaced = {
        "FRONTS": tmp_path / "fronts",
        "FOLDS": 2,
        "PRETRAINED": Network("pretrained on ImageNet", SMALL, folds=2),
        "FROM_RANDOM": Network("from random weights", SMALL, folds=2),
        "FROM_STARTER": Network("from the starter's weights", SMALL, folds=1),
        "HALF": Network("half", {**SMALL, "max_pairs": 30}, folds=1),
        "PLAIN": Network("plain", SMALL, folds=1),
        "CONTROLS": (Network("control: label alone", {**SMALL, "seen": "label"}, folds=1),),
    }
    for name, value in replaced.items():
        monkeypatch.setattr(fronts, name, value)


@pytest.mark.slow
@pytest.mark.usefixtures("few_fronts")
def test_real_fronts_are_judged_out_of_fold_and_the_sealed_ones_by_all_folds_together(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    told = fronts.run(out)
    found = told["ways"]

    split = {pair.card_id: pair.split for pair in pairs_from_manifest(out / "fronts.csv").pairs}
    sealed = {card for card, name in split.items() if name == "test"}
    folds = [out / "fronts" / "from-random-weights" / f"fold-{fold}" for fold in (1, 2)]
    judged = [predictions.read(folder / "predictions.csv") for folder in folds]
    cards = {card for fold in judged for card in fold.cards}
    assert cards == split.keys() - sealed
    assert found["from random weights"]["n"] == len(cards) == sum(len(fold.cards) for fold in judged)
    assert found["from random weights, fold 1 alone"]["n"] == len(judged[0].cards)
    assert found["control: label alone"]["n"] <= len(judged[0].cards)

    said = [predictions.read(folder / "test.csv") for folder in folds]
    assert {card for each in said for card in each.cards} == sealed
    together = (said[0].probabilities + said[1].probabilities).argmax(axis=1) + 1
    exact = (together == said[0].truth).mean()
    assert found["from random weights, all folds' mean on the sealed cards"]["exact"] == pytest.approx(exact)

    models = {path: path.stat().st_mtime_ns for path in out.rglob("model.pt")}
    half = told["less"]["half, less pretrained on ImageNet"]
    both = predictions.read(out / "fronts" / "half" / "fold-1" / "predictions.csv").cards
    whole = predictions.read(out / "fronts" / "pretrained-on-ImageNet" / "fold-1" / "predictions.csv").of_cards(both)
    told_of_both = whole.probabilities.argmax(axis=1) + 1
    assert half["cards"] == len(both) < found["pretrained on ImageNet, fold 1 alone"]["n"]
    kappa = cohen_kappa_score(whole.truth, told_of_both, labels=range(1, 11), weights="quadratic")
    assert half["reference_qwk"] == pytest.approx(kappa)
    assert fronts.run(out) == told
    assert {path: path.stat().st_mtime_ns for path in models} == models
