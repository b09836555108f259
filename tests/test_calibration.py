"""Calibration as a person has it: a model calibrated by a command, what it then says, and when it says nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from app.grading.answer_text import verdict_text
from app.grading.calibration_report import how_often
from app.grading.grade_card import grade_card
from app.grading.model_report import model_page
from app.screens import charts
from app.screens.uncertainty_panel import Certainty
from engine.evaluation.calibration import Calibration, fit
from engine.evaluation.intervals import Interval
from engine.experiments.test_set_log import openings
from engine.inference.evaluate import predictions_of
from engine.inference.loaded_model import load_model
from engine.storage import checkpoint
from labeling.snapshot import pairs_from_manifest
from tests.card_factory import write_cards
from tests.commands import call, settings
from tests.conftest import GRADES_OF_CARDS


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path, monkeypatch):
    """No test may touch the data folder of whoever runs it."""
    monkeypatch.setenv("LOUPE_DATA", str(tmp_path / "from_environment"))


@pytest.fixture(scope="module")
def said(model, manifest, tmp_path_factory):
    """What `calibrate` said of the thirty cards' model, calibrated on all thirty."""
    folder = tmp_path_factory.mktemp("calibrated")
    out, data = folder / "deep" / "model.pt", folder / "data"
    said = call(
        *("calibrate", "--model", model, "--manifest", manifest, "--split", "all", "--out", out, "--data", data),
        *("--coverage", "0.8"),
    )
    assert said.code == 0, said.err
    return said


@pytest.fixture
def calibrated(said):
    """The calibrated model's file."""
    return Path(said.result["path"])


def front_and_back(manifest, name="card-002"):
    return manifest.parent / f"{name}_front.png", manifest.parent / f"{name}_back.png"


def as_calibrated(path, target, **changes):
    """A copy of a calibrated model with another word in its calibration."""
    content = checkpoint.load(path)
    checkpoint.save(target, {**content, "calibration": {**content["calibration"], **changes}})
    return target


def test_calibrate_writes_a_new_model_beside_and_says_on_how_many_cards(said, model):
    result = said.result
    assert (result["calibration"]["cards"], result["calibration"]["coverage"]) == (30, 0.8)
    assert "all cards of labels.csv" in result["calibration"]["on"]
    old, new = (torch.load(path, weights_only=True) for path in (model, result["path"]))
    assert old["calibration"] is None, "six validation cards are too few"
    assert new["calibration"]["temperature"] == result["calibration"]["temperature"]
    for key, tensor in old["model"].items():
        assert torch.equal(tensor, new["model"][key])
    assert [line for line in said.err.splitlines() if "the test split is opened" in line]
    assert "the model has learned from 18 of these cards and is too sure of them" in said.err
    assert "6 of these cards chose the model's epoch" in said.err
    assert openings(Path(result["path"])) >= 1, "what the old model opened counts for the new one"


def test_only_cards_that_the_run_took_are_said_to_have_chosen_its_epoch(manifest, tmp_path):
    told = ("train", "--manifest", manifest, "--out", tmp_path / "run", "--recipe", "baseline", *settings(max_pairs=20))
    assert call(*told).code == 0
    path = tmp_path / "run" / "model.pt"
    said = call("calibrate", "--model", path, "--manifest", manifest, "--split", "all", "--out", tmp_path / "new.pt")
    trained = sum(map(sum, checkpoint.load(path)["summary"]["confusion"]))
    assert trained < 6
    assert f"{trained} of these cards chose the model's epoch" in said.err


def test_the_calibration_is_that_of_what_the_network_itself_says_of_the_cards(
    said, calibrated, model, manifest, tmp_path
):
    pairs = pairs_from_manifest(manifest).pairs
    for path in (model, calibrated):  # whether or not it was calibrated before
        *_, predictions = predictions_of(load_model(path, "cpu"), pairs, tmp_path / "cache")
        written = Calibration.from_plain(checkpoint.load(calibrated)["calibration"])
        assert fit(predictions, on=written.on, coverage=0.8) == written


def test_evaluating_a_calibrated_model_tempers_its_word_and_leaves_its_grades(calibrated, model, manifest):
    before, after = (
        call("evaluate", "--model", path, "--manifest", manifest, "--split", "train").result
        for path in (model, calibrated)
    )
    assert (before["calibration"], before["uncalibrated"]) == (None, None)
    assert after["calibration"]["cards"] == 30
    assert after["confusion"] == before["confusion"]
    assert after["uncalibrated"]["ece"] == pytest.approx(before["ece"], abs=1e-6)
    assert after["uncalibrated"]["nll"] == pytest.approx(before["nll"], abs=1e-6)
    assert sum(row["n"] for row in after["coverage_by_grade"]) == after["n"] == 18


def test_a_calibrated_answer_is_tempered_and_its_range_has_the_coverage_asked_for(calibrated, model, manifest):
    own = call("grade", *front_and_back(manifest), "--model", model).result
    told = call("grade", *front_and_back(manifest), "--model", calibrated).result
    temperature = told["calibration"]["temperature"]
    powers = np.array(own["probabilities"]) ** (1 / temperature)
    np.testing.assert_allclose(told["probabilities"], powers / powers.sum(), atol=1e-6)
    assert told["expected"] == pytest.approx(np.dot(told["probabilities"], range(1, 11)))
    assert set(told["interval"]) == {"coverage", "low", "high"}
    assert told["interval"]["coverage"] == 0.8
    assert told["interval"]["low"] <= told["grade"] <= told["interval"]["high"]
    assert (own["calibration"], own["interval"]["coverage"]) == (None, 0.9)


def test_a_card_whose_interval_is_too_wide_is_not_graded_and_one_sentence_says_why(model, manifest):
    pictures = front_and_back(manifest)
    interval = call("grade", *pictures, "--model", model).result["interval"]
    width = interval["high"] - interval["low"] + 1
    assert width > 1, "this model is unsure; else the test asks nothing"
    strict = call("grade", *pictures, "--model", model, "--widest", width - 1)
    assert (strict.code, strict.result["abstained"]) == (3, True)
    assert strict.result["reasons"][0] == (
        f"the interval spans {width} grades ({interval['low']} to {interval['high']}), "
        f"more than the {width - 1} allowed"
    )
    # What the model thinks stands there all the same: a script may draw its own line.
    assert strict.result["grade"] in range(1, 11)
    assert strict.result["interval"] == interval
    enough = call("grade", *pictures, "--model", model, "--widest", width)
    assert (enough.code, enough.result["abstained"]) == (0, False)


def test_the_model_s_own_limit_holds_unless_another_is_asked_for_and_in_a_batch_too(calibrated, manifest, tmp_path):
    one = (manifest.parent / "labels.csv").read_text(encoding="utf-8").splitlines()
    few = manifest.parent / "few.csv"
    few.write_text("\n".join(one[:3]) + "\n", encoding="utf-8")
    strict = as_calibrated(calibrated, tmp_path / "strict.pt", widest=1)
    told = [call("grade", "--batch", few, "--model", strict, *more) for more in ((), ("--widest", 10))]
    assert [each.code for each in told] == [0, 0]
    widths = [1 + each["interval"]["high"] - each["interval"]["low"] for each in told[0].result]
    assert [each["abstained"] for each in told[0].result] == [width > 1 for width in widths]
    assert [each["abstained"] for each in told[1].result] == [False, False]


def test_the_grade_tab_says_the_range_as_a_promise_only_where_it_is_one_and_why_it_gives_no_grade(
    calibrated, model, manifest, tmp_path
):
    pictures = front_and_back(manifest)
    own, told = (verdict_text(grade_card(*pictures, path)) for path in (model, calibrated))
    assert "of the probability lies" in own
    assert "not calibrated" in own
    assert "4 times in 5 the true grade lies in" in told
    assert "Calibrated on 30 cards: all cards of labels.csv" in told
    unsure = grade_card(*pictures, model, widest=1)
    text = verdict_text(unsure)
    assert text.startswith("## Not graded: too unsure")
    assert unsure.reasons[0] in text


def test_a_range_learned_on_whole_cards_is_said_to_promise_less_of_one_side_alone(calibrated, model, manifest):
    front, back = front_and_back(manifest)

    def said(path, *sides):
        return [reason for reason in grade_card(*sides, path).reasons if "less often than it says" in reason]

    assert said(calibrated, front, back) == []
    assert said(calibrated, front, None) == ["without the back the range may hold the grade less often than it says"]
    assert said(calibrated, None, back) == ["without the front the range may hold the grade less often than it says"]
    assert said(model, front, None) == [], "a model that is not calibrated promises nothing in the first place"


def test_a_picture_is_asked_for_only_of_a_side_that_the_model_looks_at(model, manifest, tmp_path):
    front, back = front_and_back(manifest)
    fronts_only = tmp_path / "fronts_only.pt"
    checkpoint.save(fronts_only, {**checkpoint.load(model), "sides": (True, False)})
    asked = "add its picture"
    assert "Graded without the back: add its picture" in verdict_text(grade_card(front, None, model))
    assert asked not in verdict_text(grade_card(front, back, model))
    assert asked not in verdict_text(grade_card(front, None, fronts_only))
    assert "back: not looked at" in verdict_text(grade_card(front, back, fronts_only))


def test_the_bars_mark_the_grades_of_the_range_and_the_curves_are_the_published_figures(calibrated):
    bars = charts.bars(np.full(10, 0.1), Interval(0.9, 7, 9))
    assert bars["grade"][bars["grades"] == charts.INSIDE].tolist() == ["7", "8", "9"]
    calibration = Calibration.from_plain(checkpoint.load(calibrated)["calibration"])
    _, text, reliability, risk = Certainty.of(calibration)
    assert "| graded up to" in text
    curve = reliability["value"]
    full = [row for row in calibration.measured["reliability"] if row["n"]]
    assert curve[curve["model"] == "calibrated"]["came true"].tolist() == [row["accuracy"] for row in full]
    assert risk["value"]["cards graded"].iloc[-1] == 1
    assert Certainty.of(None)[0]["visible"] is False


def test_the_report_shows_temperature_coverage_reliability_and_risk(calibrated, model, tmp_path):
    page = call("export", "report", "--model", calibrated, "--out", tmp_path / "page.md").result["path"]
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert page == str(tmp_path / "page.md")
    measured = checkpoint.load(calibrated)["calibration"]["measured"]
    for wanted in (
        "Calibrated on 30 cards",
        "Temperature",
        "4 times in 5",
        "| true grade |",
        "| graded up to",
        "| confidence |",
    ):
        assert wanted in text
    assert f"{measured['aurc']:.4f}" in text
    assert "not calibrated" in model_page(model)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--manifest", "{manifest}"], "--out"),
        (["--manifest", "{manifest}", "--out", "{model}"], "give another file with --out"),
        (
            ["--manifest", "{manifest}", "--out", "{tmp}/new.pt", "--split", "val"],
            "6 groups of held-out cards are too few",
        ),
        (
            ["--manifest", "{manifest}", "--out", "{tmp}/new.pt", "--coverage", "0.95", "--split", "test"],
            "19 are wanted",
        ),
        (["--manifest", "{tmp}/absent.csv", "--out", "{tmp}/new.pt"], "absent.csv"),
    ],
)
def test_what_cannot_be_calibrated_is_one_sentence_and_leaves_no_file(words, named, model, manifest, tmp_path):
    places = {"model": model, "manifest": manifest, "tmp": tmp_path}
    opened = openings(model)
    said = call("calibrate", "--model", model, *(word.format(**places) for word in words))
    assert openings(model) == opened
    assert (said.code, said.out) == (2, "")
    assert named in said.err.splitlines()[-1]
    assert not list(tmp_path.glob("new.pt*"))


def test_cards_of_their_own_are_taken_whole_and_none_of_them_is_said_to_be_known(model, tmp_path):
    # The same designs as the model's own cards, each a grade further: no picture is one of theirs.
    others = write_cards(tmp_path / "others", [grade % 10 + 1 for grade in GRADES_OF_CARDS[:12]])
    said = call("calibrate", "--model", model, "--manifest", others, "--out", tmp_path / "new.pt")
    assert said.code == 0, said.err
    assert (said.result["split"], said.result["calibration"]["cards"]) == ("all", 12)
    assert "of these cards" not in said.err


def test_a_model_in_8_bits_stays_in_8_bits_and_keeps_its_very_weights(model, manifest, tmp_path):
    eight, out = tmp_path / "eight.pt", tmp_path / "calibrated" / "model.pt"
    assert call("export", "model", "--bits", "8", "--model", model, "--out", eight).code == 0
    said = call("calibrate", "--model", eight, "--manifest", manifest, "--split", "all", "--out", out)
    assert said.code == 0, said.err
    assert out.stat().st_size < model.stat().st_size * 0.27
    old, new = (checkpoint.load(path) for path in (eight, out))
    assert old["rounded_to_bits"] == new["rounded_to_bits"] == 8
    assert all(torch.equal(tensor, new["model"][key]) for key, tensor in old["model"].items())
    assert new["calibration"]["cards"] == 30


def test_a_model_that_changes_while_it_is_calibrated_is_not_saved(model, manifest, tmp_path, monkeypatch):
    own, out = tmp_path / "model.pt", tmp_path / "new.pt"
    own.write_bytes(model.read_bytes())

    def and_meanwhile(*words, **named):
        checkpoint.save(own, {**checkpoint.load(own), "name": "another"})
        return fit(*words, **named)

    monkeypatch.setattr("engine.evaluation.calibration.fit", and_meanwhile)
    said = call("calibrate", "--model", own, "--manifest", manifest, "--split", "all", "--out", out)
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines()[-1].endswith("model.pt changed while it was being calibrated; calibrate it again")
    assert not out.exists()


@pytest.mark.parametrize("changes", [{"pools": []}, {"temperature": None}, {"coverage": 90}])
def test_a_broken_calibration_is_one_sentence_wherever_the_model_is_read(calibrated, manifest, tmp_path, changes):
    broken = as_calibrated(calibrated, tmp_path / "broken.pt", **changes)
    for words in (("grade", *front_and_back(manifest)), ("export", "report", "--out", tmp_path / "page.md")):
        said = call(*words, "--model", broken)
        assert f"{broken}: does not fit this version of Loupe" in said.complaint
    assert not (tmp_path / "page.md").exists()


def test_figures_that_cannot_be_read_are_one_sentence_in_the_report(calibrated, tmp_path):
    broken = as_calibrated(calibrated, tmp_path / "broken.pt", measured={"uncalibrated": None})
    assert f"{broken}: does not fit" in call("export", "report", "--model", broken).complaint


def test_the_json_of_calibrate_is_plain(said):
    assert json.loads(json.dumps(said.result, allow_nan=False)) == said.result


@pytest.mark.parametrize(
    ("coverage", "words"),
    [(0.9, "9 times in 10"), (0.8, "4 times in 5"), (0.95, "19 times in 20"), (0.99, "99 times in 100")],
)
def test_a_coverage_is_said_as_people_say_it(coverage, words):
    assert how_often(coverage) == words
