"""Evidence steps: resumable, with metrics that match their definitions."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, mean_absolute_error

from app.runs.plan_input import PlanInput
from benchmarks.accuracy import real_fronts
from engine.cards.pairs import CardPair, read_manifest, write_manifest
from engine.evaluation import predictions
from engine.evaluation.calibration import apply_calibration
from engine.evaluation.metrics import metrics_with_intervals
from engine.evaluation.predictions import Predictions
from engine.evaluation.uncertainty import all_metrics
from engine.inference.model_card import EvaluationResult, write
from engine.simulate.cards import SimulationConfig
from engine.simulate.folder import write_cards as write_simulated_cards
from evidence import cached_json, collection, page, rubric, sections, worst
from evidence.collection import Part, mix_of
from evidence.figures import mean_predictions, metrics_over_seeds
from evidence.steps import changes, cost, fronts, simulated, sizes, stronger
from evidence.steps.fronts import FrontsVariant
from evidence.training_runs import TrainingVariant
from labeling.snapshot import pairs_from_manifest
from tests.card_factory import write_cards
from tests.engine.inference.test_model_card import a_card

SMALL = {
    "front_encoder": "mobilenet_v2",
    "back_encoder": "mobilenet_v2",
    "image_size": 64,
    "batch_size": 8,
    "phase2_epochs": 1,
    "auxiliary_targets": False,
    "device": "cpu",
}


def random_predictions(seed, cards=60):
    """Predictions of a mediocre model, on cards in groups of three."""
    random = np.random.default_rng(seed)
    truth = np.random.default_rng(0).integers(1, 11, cards)
    probabilities = random.dirichlet(np.ones(10), cards) + 2 * np.eye(10)[truth - 1] * random.random((cards, 1))
    groups = tuple(str(card // 3) for card in range(cards))
    return Predictions(
        tuple(map(str, range(cards))), groups, truth, probabilities / probabilities.sum(axis=1, keepdims=True)
    )


def test_one_run_s_metrics_and_intervals_are_those_of_evaluate():
    run = random_predictions(1)
    published = metrics_with_intervals(run.truth, run.probabilities, run.groups)
    for name, estimate in metrics_over_seeds([run]).items():
        assert estimate == pytest.approx([published[name], published[f"{name}_low"], published[f"{name}_high"]])


def test_an_undefined_metric_is_none():
    run = random_predictions(1)
    estimates = metrics_over_seeds([run.select(np.flatnonzero(run.truth < 9))])
    assert estimates["auc_9_10"] == (None, None, None)
    assert estimates["qwk"].value is not None


def test_several_runs_metrics_are_averaged_and_their_intervals_are_wider_than_one_run_s():
    several = [random_predictions(seed) for seed in (1, 2, 3)]
    predicted = [run.probabilities.argmax(axis=1) + 1 for run in several]
    estimates = metrics_over_seeds(several)
    truth = several[0].truth
    kappas = [cohen_kappa_score(truth, grades, labels=range(1, 11), weights="quadratic") for grades in predicted]
    assert estimates["qwk"].value == pytest.approx(np.mean(kappas))
    assert estimates["mae"].value == pytest.approx(
        np.mean([mean_absolute_error(truth, grades) for grades in predicted])
    )
    assert estimates["qwk"].low < min(kappas) < max(kappas) < estimates["qwk"].high


def test_the_worst_errors_have_the_largest_distance_from_the_expected_grade():
    run = random_predictions(1)
    certain = np.eye(10)[run.truth - 1]
    certain[[7, 30]] = np.eye(10)[(run.truth[[7, 30]] + [4, 7]) % 10]
    errors = np.abs(certain.argmax(axis=1) + 1 - run.truth)
    worst_indices = worst.worst_errors(replace(run, probabilities=certain))
    assert set(worst_indices[:2]) == {7, 30}
    assert errors[worst_indices[0]] >= errors[worst_indices[1]] > 0 == errors[worst_indices[2]]


@pytest.fixture
def small(monkeypatch):
    """Every step with few small cards."""
    parts = (
        Part("train_history", "history", 30, 101, test=False),
        Part("train_uniform", "uniform", 30, 102, test=False),
        Part("test_history", "history", 9, 201, test=True),
        Part("test_uniform", "uniform", 9, 202, test=True),
    )
    monkeypatch.setattr(collection, "CARD_HEIGHT_PX", 300)
    monkeypatch.setattr(collection, "VALIDATION_EVERY", 2)
    for step in (simulated, stronger):
        monkeypatch.setattr(step, "SEEDS", (1, 2))
    for step in (changes, sizes):
        monkeypatch.setattr(step, "simulated_collection", lambda folder: collection.simulated_collection(folder, parts))
        monkeypatch.setattr(step, "SHARED", SMALL)
    monkeypatch.setattr(sizes, "SIZES", (64, 96))
    monkeypatch.setattr(stronger, "VIEWS", (4,))
    variants = (TrainingVariant("plain colours", "ordinal", {"channels": "rgb"}, PlanInput(hypothesis="as good")),)
    monkeypatch.setattr(changes, "ROUNDS", (changes.Round("ordinal", variants),))
    return simulated.ExperimentScale(parts, simulated.SMALL.recipes, SMALL, larger_image_size=96)


def test_a_missing_or_unreadable_side_is_left_white_on_the_contact_sheet_of_the_worst(tmp_path):
    manifest = read_manifest(write_cards(tmp_path / "cards", [9, 8, 7, 6])).pairs
    (tmp_path / "noise.png").write_text("no picture")
    pairs = [replace(manifest[0], back=None), replace(manifest[1], front=tmp_path / "noise.png"), *manifest[2:]]
    names = tuple(pair.card_id for pair in pairs)
    run = Predictions(names, names, np.array([9, 8, 7, 6]), np.tile(np.eye(10)[0], (4, 1)))
    worst.draw_worst(run, pairs, tmp_path / "worst.jpg")
    sheet = cv2.imread(str(tmp_path / "worst.jpg"))
    cell = sheet.shape[1] // worst.COLUMNS
    assert sheet.shape[0] == worst.CAPTION_PX + worst.SIDE_PX[0]
    pictures = sheet[worst.CAPTION_PX :]
    white = [(pictures[:, side * cell // 2 : (side + 1) * cell // 2] > 240).mean() > 0.99 for side in range(10)]
    # The back of the first card, the front of the second, and both sides of the missing fifth card.
    assert [side for side, empty in enumerate(white) if empty] == [1, 2, 8, 9]


def test_the_page_describes_the_starter_only_from_the_folder_of_its_build_and_with_an_explanation_of_its_errors(
    tmp_path, monkeypatch
):
    run = random_predictions(1)
    calibrated = apply_calibration(run.probabilities, None)
    metrics = {**all_metrics(run, calibrated, calibrated=False), "calibration": None}
    shipped, work = tmp_path / "shipped", tmp_path / "out" / "starter"
    shipped.mkdir()
    write(shipped, a_card(measured=[EvaluationResult(on="fresh cards", figures=metrics)]))
    for name, value in (("MODEL", shipped / "model.pt"), ("PAGE", tmp_path / "evidence.md"), ("PICTURES", tmp_path)):
        monkeypatch.setattr(page, name, value)
    monkeypatch.setattr(page, "EXPLANATION", tmp_path / "worst.md")
    less = {"label alone, less pretrained": {"delta": -0.3, "low": -0.4, "high": -0.2, "p_holm": 0.002, "cards": 57}}
    cached_json.write_json(
        tmp_path / "out" / "fronts.json", {"ways": {"pretrained": {**metrics, "n": 60}}, "less": less}
    )
    assert page.run(tmp_path / "out")["missing"] == [
        "real_networks",
        "real_recipes",
        "real_pairs",
        "starter",
        "simulated",
        "changes",
        "sizes",
        "stronger",
        "cost",
    ]
    text = (tmp_path / "evidence.md").read_text(encoding="utf-8")
    assert f"| pretrained | 60 | {metrics['qwk']:.3f} (" in text
    assert "| reference: plain fine-tune" in text
    assert "| label alone, less pretrained | 57 | -0.300 (-0.400 to -0.200) | 0.002 |" in text

    (work / "fresh").mkdir(parents=True)
    (work / "fresh" / "noise.png").write_text("no picture")
    pairs = [CardPair(name, work / "fresh" / "noise.png", None, 5.0) for name in run.cards]
    write_manifest(work / "fresh" / "labels.csv", pairs)
    predictions.write(work / "evaluate.csv", run)
    cached_json.write_json(work / "evaluate.json", {"model": {"sha256": "b" * 64}})
    with pytest.raises(SystemExit, match="another model than the one that ships"):
        page.run(tmp_path / "out")
    cached_json.write_json(work / "evaluate.json", {"model": {"sha256": a_card().sha256}})
    for explanation, is_shown in (("of another model", False), (f"{a_card().sha256}: worn corners", True)):
        (tmp_path / "worst.md").write_text(explanation, encoding="utf-8")
        assert "starter" not in page.run(tmp_path / "out")["missing"]
        text = (tmp_path / "evidence.md").read_text(encoding="utf-8")
        assert (explanation in text, "They have not been explained yet." in text) == (is_shown, not is_shown)


def test_a_section_is_unchanged_if_the_results_of_its_step_are_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "PAGE", tmp_path / "evidence.md")
    less = {"label alone, less pretrained": {"delta": -0.3, "low": -0.4, "high": -0.2, "p_holm": 0.002, "cards": 57}}
    run = random_predictions(1)
    results = {"ways": {"pretrained": metrics_with_intervals(run.truth, run.probabilities, run.groups)}, "less": less}
    first, second = tmp_path / "first", tmp_path / "second"
    cached_json.write_json(first / "fronts.json", results)
    assert page.run(first)["kept"] == []
    alone = page.PAGE.read_text(encoding="utf-8")
    assert "\n## Cost\n" not in alone
    assert "Real_networks, real_recipes, real_pairs, starter, simulated, changes, sizes, stronger, cost." in alone

    network = {"recipe": "loupe", "image_size": 384, "parameters": 33_400_000}
    speeds = ("grading", "training 32", "training bf16")
    network |= {name: {"pairs_per_second": 2.0, "memory_mib": 900.0} for name in speeds}
    before = {"sides": 12, "seconds to find": 0.02, "seconds to measure": 0.3}
    cost_results = {"device": "a processor", "steps": 3, "networks": [network], "before the network": before}
    cached_json.write_json(second / "cost.json", cost_results)
    assert page.run(second) == {
        "page": str(page.PAGE),
        "kept": ["fronts"],
        "missing": [
            "real_networks",
            "real_recipes",
            "real_pairs",
            "starter",
            "simulated",
            "changes",
            "sizes",
            "stronger",
        ],
    }
    both = page.PAGE.read_text(encoding="utf-8")
    assert alone.split("\n## ")[1] == both.split("\n## ")[1]

    cached_json.write_json(second / "fronts.json", results)
    page.run(second)
    assert page.PAGE.read_text(encoding="utf-8") == both


def test_the_section_on_larger_pictures_shows_their_gain_and_the_time_at_full_size():
    less = {"delta": 0.01, "low": -0.02, "high": 0.04, "p_holm": 0.5}
    estimates = metrics_over_seeds([random_predictions(1)])
    mix = {"n": 60, "figures": {"96": estimates, "448": estimates}, "less": {"448": less}}
    speed = {"96": 30.0, "448": 2.0}
    results = {"told": {"device": "cpu"}, "seeds": [1, 2], "sizes": [96, 448], "pairs_per_second": speed}
    text = "\n".join(sections.sizes({**results, "history": mix, "uniform": mix}))
    assert f"| 96 | 30.0 | {estimates['qwk'].value:.3f} (" in text
    assert "| +0.010 (-0.020 to +0.040) | 0.500 |" in text
    # 6,125 pairs, 30 epochs, 2 pairs a second: 91,875 s.
    assert "takes 26 hours" in text


def test_the_mean_of_several_models_is_that_of_their_probabilities_on_the_cards_all_have_predicted():
    first, second = random_predictions(1), random_predictions(2).select(np.arange(40))
    ensemble = mean_predictions([first, second])
    assert ensemble.cards == first.cards[:40]
    np.testing.assert_allclose(ensemble.probabilities, (first.probabilities[:40] + second.probabilities) / 2)


@pytest.mark.long
def test_one_change_is_trained_once_and_compared_with_its_reference_on_the_page(small, tmp_path, monkeypatch):
    """A sample of the whole evidence below: two tiny runs."""
    monkeypatch.setattr(changes, "SEEDS", (1,))
    out = tmp_path / "out"
    out.mkdir()
    (results,) = changes.run(out)["rounds"]
    assert (results["recipe"], [row["change"] for row in results["rows"]]) == ("ordinal", ["plain colours"])
    models = {path: path.stat().st_mtime_ns for path in (out / "data" / "runs").glob("*/model.pt")}
    assert len(models) == 2
    assert changes.run(out)["rounds"] == [results]
    assert {path: path.stat().st_mtime_ns for path in models} == models
    monkeypatch.setattr(page, "PAGE", out / "evidence.md")
    page.run(out)
    assert f"{results['rows'][0]['delta']:+.3f} (" in (out / "evidence.md").read_text(encoding="utf-8")


@pytest.mark.long
def test_each_step_is_computed_once_and_the_page_shows_all_results(small, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    results = simulated.run(out, small)
    assert results["history"]["n"] == results["uniform"]["n"] == 9
    assert set(results["uniform"]["ways"]) == {*small.recipes, simulated.RUBRIC}
    assert set(results["uniform"]["less"]) == {*small.recipes, simulated.RUBRIC} - {"loupe"}
    splits = {pair.split for pair in read_manifest(out / "cards.csv").pairs if mix_of(pair.card_id) == "uniform"}
    assert splits == {"train", "val", "test"}

    better = stronger.run(out, small)
    assert {name: method["looks"] for name, method in better["history"]["ways"].items()} == {
        "single": 1,
        "4 views": 4,
        "ensemble": 2,
        "ensemble, 4 views": 8,
        "distilled from the ensemble": 1,
        "96 px": 1,
    }
    assert better["uniform"]["ways"]["single"]["figures"] == results["uniform"]["ways"]["loupe"]
    larger = sizes.run(out)["uniform"]
    assert larger["figures"]["96"] == better["uniform"]["ways"]["96 px"]["figures"]
    assert larger["less"]["96"]["delta"] == pytest.approx(better["uniform"]["ways"]["96 px"]["less"]["delta"])
    (round_,) = changes.run(out)["rounds"]
    assert (round_["recipe"], [row["change"] for row in round_["rows"]]) == ("ordinal", ["plain colours"])

    models = {path: path.stat().st_mtime_ns for path in (out / "data" / "runs").glob("*/model.pt")}
    # Two seeds each of four recipes, the distilled model, larger pictures and the change (its reference is a recipe).
    assert len(models) == 14
    assert simulated.run(out, small)["uniform"]["ways"]["loupe"] == results["uniform"]["ways"]["loupe"]
    assert {path: path.stat().st_mtime_ns for path in models} == models

    monkeypatch.setattr(cost, "SIZES", (64,))
    monkeypatch.setattr(cost, "RECIPES", ("loupe",))
    assert cost.run(out)["networks"][0]["grading"]["pairs_per_second"] > 0
    monkeypatch.setattr(page, "PAGE", out / "evidence.md")
    monkeypatch.setattr(page, "PICTURES", out / "evidence")
    assert page.run(out)["missing"] == ["real_networks", "real_recipes", "real_pairs", "starter", "fronts"]
    text = (out / "evidence.md").read_text(encoding="utf-8")
    assert f"{results['uniform']['ways']['loupe']['qwk'][0]:.3f}" in text
    assert cv2.imread(str(out / "evidence" / "simulated.png")).shape[1] > 1000

    pairs = [pair for pair in read_manifest(out / "cards.csv").pairs if pair.split == "test"]
    worst.draw_worst(predictions.read(out / "rubric.csv"), pairs, out / "worst.jpg")
    assert cv2.imread(str(out / "worst.jpg")).shape[0] > 800
    with pytest.raises(SystemExit, match="is of other cards"):
        rubric.rubric_predictions(pairs[1:], out / "rubric.csv")
    with pytest.raises(SystemExit, match="filled by another plan"):
        collection.simulated_collection(out, small.parts[:2])


@pytest.fixture
def few_fronts(tmp_path, monkeypatch):
    """Sixty simulated slabs in place of the real fronts, and variants that train quickly."""
    config = SimulationConfig(seed=5, mix="uniform", height=300, kinds=(("slab", 1.0),))
    write_simulated_cards(tmp_path / "simulated", config, 60, workers=1)
    for pair in read_manifest(tmp_path / "simulated" / "labels.csv").pairs:
        grade = tmp_path / "fronts" / f"psa{pair.grade:.0f}"
        grade.mkdir(parents=True, exist_ok=True)
        (grade / pair.front.name).write_bytes(pair.front.read_bytes())
    monkeypatch.setattr(real_fronts, "FRONTS", tmp_path / "fronts")
    replaced = {
        "FRONTS": tmp_path / "fronts",
        "FOLDS": 2,
        "PRETRAINED": FrontsVariant("pretrained on ImageNet", SMALL, folds=2),
        "FROM_RANDOM": FrontsVariant("from random weights", SMALL, folds=2),
        "FROM_STARTER": FrontsVariant("from the starter's weights", SMALL, folds=1),
        "HALF": FrontsVariant("half", {**SMALL, "max_pairs": 30}, folds=1),
        "PLAIN": FrontsVariant("plain", SMALL, folds=1),
        "CONTROLS": (FrontsVariant("control: label alone", {**SMALL, "input_region": "label"}, folds=1),),
    }
    for name, value in replaced.items():
        monkeypatch.setattr(fronts, name, value)


@pytest.mark.long
@pytest.mark.usefixtures("few_fronts")
def test_real_fronts_are_evaluated_out_of_fold_and_test_fronts_by_all_folds_together(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    results = fronts.run(out)
    metrics = results["ways"]

    split = {pair.card_id: pair.split for pair in pairs_from_manifest(out / "fronts.csv").pairs}
    sealed = {card for card, name in split.items() if name == "test"}
    folds = [out / "fronts" / "from-random-weights" / f"fold-{fold}" for fold in (1, 2)]
    out_of_fold = [predictions.read(folder / "predictions.csv") for folder in folds]
    cards = {card for fold in out_of_fold for card in fold.cards}
    assert cards == split.keys() - sealed
    assert metrics["from random weights"]["n"] == len(cards) == sum(len(fold.cards) for fold in out_of_fold)
    assert metrics["from random weights, fold 1 alone"]["n"] == len(out_of_fold[0].cards)
    assert metrics["control: label alone"]["n"] <= len(out_of_fold[0].cards)

    on_sealed = [predictions.read(folder / "test.csv") for folder in folds]
    assert {card for fold in on_sealed for card in fold.cards} == sealed
    ensemble = (on_sealed[0].probabilities + on_sealed[1].probabilities).argmax(axis=1) + 1
    exact = (ensemble == on_sealed[0].truth).mean()
    assert metrics["from random weights, all folds' mean on the sealed cards"]["exact"] == pytest.approx(exact)

    models = {path: path.stat().st_mtime_ns for path in out.rglob("model.pt")}
    half = results["less"]["half, less pretrained on ImageNet"]
    common = predictions.read(out / "fronts" / "half" / "fold-1" / "predictions.csv").cards
    whole = predictions.read(out / "fronts" / "pretrained-on-ImageNet" / "fold-1" / "predictions.csv").select_cards(
        common
    )
    grades = whole.probabilities.argmax(axis=1) + 1
    assert half["cards"] == len(common) < metrics["pretrained on ImageNet, fold 1 alone"]["n"]
    kappa = cohen_kappa_score(whole.truth, grades, labels=range(1, 11), weights="quadratic")
    assert half["reference_qwk"] == pytest.approx(kappa)
    assert fronts.run(out) == results
    assert {path: path.stat().st_mtime_ns for path in models} == models
