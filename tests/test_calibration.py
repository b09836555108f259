"""`calibrate` by command: the new model file, its reports, and the cards that it no longer grades."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from app.models.calibration_report import how_often
from app.models.model_report import model_report
from app.screens.uncertainty_panel import UncertaintyPanel
from app.screens.verdict import verdict_html
from engine.evaluation.calibration import Calibration, fit
from engine.experiments.test_set_log import access_count
from engine.inference.evaluate import predict_cards
from engine.inference.grade_card import grade_card
from engine.inference.load_model import load_model, open_grader
from engine.storage import checkpoint
from labeling.snapshot import pairs_from_manifest
from tests.card_factory import write_cards
from tests.commands import call, settings
from tests.conftest import GRADES_OF_CARDS

# Whole commands on a trained model.
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def empty_data_folder(tmp_path, monkeypatch):
    """Keep tests away from the user's data folder."""
    monkeypatch.setenv("LOUPE_DATA", str(tmp_path / "from_environment"))


@pytest.fixture(scope="module")
def calibration_output(model, manifest, tmp_path_factory):
    """Output of `calibrate` for the model of the thirty cards, calibrated on all thirty."""
    folder = tmp_path_factory.mktemp("calibrated")
    out, data = folder / "deep" / "model.pt", folder / "data"
    output = call(
        *("calibrate", "--model", model, "--manifest", manifest, "--split", "all", "--out", out, "--data", data),
        *("--coverage", "0.8"),
    )
    assert output.exit_code == 0, output.err
    return output


@pytest.fixture
def calibrated(calibration_output):
    """The calibrated model's file."""
    return Path(calibration_output.result["path"])


def front_and_back(manifest, name="card-002"):
    return manifest.parent / f"{name}_front.png", manifest.parent / f"{name}_back.png"


def as_calibrated(path, target, **changes):
    """Copy a calibrated model with changes to its calibration."""
    content = checkpoint.load(path)
    checkpoint.save(target, {**content, "calibration": {**content["calibration"], **changes}})
    return target


def test_calibrate_writes_a_new_model_and_reports_the_number_of_cards(calibration_output, model):
    result = calibration_output.result
    assert (result["calibration"]["cards"], result["calibration"]["coverage"]) == (30, 0.8)
    assert "all cards of labels.csv" in result["calibration"]["on"]
    old, new = (torch.load(path, weights_only=True) for path in (model, result["path"]))
    assert old["calibration"] is None, "six validation cards are too few"
    assert new["calibration"]["temperature"] == result["calibration"]["temperature"]
    for key, tensor in old["model"].items():
        assert torch.equal(tensor, new["model"][key])
    assert [line for line in calibration_output.err.splitlines() if "6 test cards are used" in line]
    assert "the model has learned from 18 of these cards and is overconfident on them" in calibration_output.err
    assert "the model's epoch was chosen on 6 of these cards" in calibration_output.err
    new_file = Path(result["path"])
    logs = new_file.parent.parent / "data" / "test_openings"
    assert access_count(logs, new_file, result["sha256"]) == 1, "what the old model opened counts for the new one"


def test_only_cards_used_by_the_run_are_reported_as_having_chosen_its_epoch(manifest, tmp_path):
    words = (
        "train",
        "--manifest",
        manifest,
        "--out",
        tmp_path / "run",
        "--recipe",
        "baseline",
        *settings(max_pairs=20),
    )
    assert call(*words).exit_code == 0
    path = tmp_path / "run" / "model.pt"
    output = call("calibrate", "--model", path, "--manifest", manifest, "--split", "all", "--out", tmp_path / "new.pt")
    trained = sum(map(sum, checkpoint.load(path)["summary"]["confusion"]))
    assert trained < 6
    assert f"the model's epoch was chosen on {trained} of these cards" in output.err


def test_the_calibration_is_fitted_on_the_network_s_uncalibrated_predictions(
    calibration_output, calibrated, model, manifest, tmp_path
):
    pairs = pairs_from_manifest(manifest).pairs
    for path in (model, calibrated):  # uncalibrated and already calibrated
        *_, predictions = predict_cards(load_model(path, "cpu"), pairs, tmp_path / "cache")
        written = Calibration.from_dict(checkpoint.load(calibrated)["calibration"])
        assert fit(predictions, on=written.on, coverage=0.8) == written


def test_calibration_changes_probabilities_but_not_grades(calibrated, model, manifest):
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


def test_calibrated_probabilities_use_the_temperature_and_the_range_has_the_requested_coverage(
    calibrated, model, manifest
):
    before = call("grade", *front_and_back(manifest), "--model", model).result
    after = call("grade", *front_and_back(manifest), "--model", calibrated).result
    temperature = after["calibration"]["temperature"]
    powers = np.array(before["probabilities"]) ** (1 / temperature)
    np.testing.assert_allclose(after["probabilities"], powers / powers.sum(), atol=1e-6)
    assert after["expected"] == pytest.approx(np.dot(after["probabilities"], range(1, 11)))
    assert set(after["interval"]) == {"coverage", "low", "high"}
    assert after["interval"]["coverage"] == 0.8
    assert after["interval"]["low"] <= after["grade"] <= after["interval"]["high"]
    assert (before["calibration"], before["interval"]["coverage"]) == (None, 0.9)


def test_a_card_whose_interval_is_too_wide_is_not_graded_and_the_reason_is_given(model, manifest):
    pictures = front_and_back(manifest)
    interval = call("grade", *pictures, "--model", model).result["interval"]
    width = interval["high"] - interval["low"] + 1
    assert width > 1, "this model is unsure; else the test asks nothing"
    strict = call("grade", *pictures, "--model", model, "--max-interval-width", width - 1)
    assert (strict.exit_code, strict.result["abstained"]) == (3, True)
    assert strict.result["reasons"][0] == (
        f"the range is too wide for a grade: {interval['low']} to {interval['high']}, "
        f"more than {width - 1} grade{'s' * (width > 2)}"
    )
    # The grade and the interval are still printed: a script may apply its own limit.
    assert strict.result["grade"] in range(1, 11)
    assert strict.result["interval"] == interval
    enough = call("grade", *pictures, "--model", model, "--max-interval-width", width)
    assert (enough.exit_code, enough.result["abstained"]) == (0, False)


def test_the_model_s_limit_applies_unless_another_is_requested(calibrated, manifest, tmp_path):
    lines = (manifest.parent / "labels.csv").read_text(encoding="utf-8").splitlines()
    few = manifest.parent / "few.csv"
    few.write_text("\n".join(lines[:3]) + "\n", encoding="utf-8")
    strict = as_calibrated(calibrated, tmp_path / "strict.pt", widest=1)
    outputs = [call("grade", "--batch", few, "--model", strict, *more) for more in ((), ("--max-interval-width", 10))]
    assert [report.exit_code for report in outputs] == [0, 0]
    widths = [1 + report["interval"]["high"] - report["interval"]["low"] for report in outputs[0].result]
    assert [report["abstained"] for report in outputs[0].result] == [width > 1 for width in widths]
    assert [report["abstained"] for report in outputs[1].result] == [False, False]


def test_the_grade_tab_calls_only_a_calibrated_range_calibrated_and_explains_a_missing_grade(
    calibrated, model, manifest, tmp_path
):
    pictures = front_and_back(manifest)
    uncalibrated_text, calibrated_text = (
        verdict_html(grade_card(*pictures, open_grader(path))) for path in (model, calibrated)
    )
    assert "% range: " in uncalibrated_text
    assert "Calibrated on" not in uncalibrated_text
    assert "has not been checked" in uncalibrated_text
    assert "80 % range: " in calibrated_text
    assert "has not been checked" not in calibrated_text
    assert "Calibrated on 30 cards: all cards of labels.csv" in calibrated_text
    unsure = grade_card(*pictures, open_grader(model), max_interval_width=1)
    text = verdict_html(unsure)
    assert text.startswith("<h2>Not graded: too uncertain</h2>")
    assert unsure.reasons[0][1:] in text


def test_a_single_side_gets_a_caveat_about_the_calibrated_range(calibrated, model, manifest):
    front, back = front_and_back(manifest)

    def reasons(path, *sides):
        return [reason for reason in grade_card(*sides, open_grader(path)).reasons if "the range may miss" in reason]

    assert reasons(calibrated, front, back) == []
    assert reasons(calibrated, front, None) == ["without the back, the range may miss the true grade more often"]
    assert reasons(calibrated, None, back) == ["without the front, the range may miss the true grade more often"]
    assert reasons(model, front, None) == [], "a model that is not calibrated promises nothing in the first place"


def test_a_picture_is_requested_only_of_a_side_that_the_model_uses(model, manifest, tmp_path):
    front, back = front_and_back(manifest)
    fronts_only = tmp_path / "fronts_only.pt"
    checkpoint.save(fronts_only, {**checkpoint.load(model), "sides": (True, False)})
    request, both_sides, front_side = "add its picture", open_grader(model), open_grader(fronts_only)
    assert "Graded without the back: add its picture" in verdict_html(grade_card(front, None, both_sides))
    assert request not in verdict_html(grade_card(front, back, both_sides))
    assert request not in verdict_html(grade_card(front, None, front_side))
    assert "Back: not used" in verdict_html(grade_card(front, back, front_side))


def test_the_curves_match_the_calibration(calibrated):
    calibration = Calibration.from_dict(checkpoint.load(calibrated)["calibration"])
    _, text, reliability, risk = UncertaintyPanel.updates(calibration)
    assert "| graded up to" in text
    curve = reliability["value"]
    full = [row for row in calibration.measured["reliability"] if row["n"]]
    assert curve[curve["model"] == "calibrated"]["accuracy"].tolist() == [row["accuracy"] for row in full]
    assert risk["value"]["cards graded"].iloc[-1] == 1
    assert UncertaintyPanel.updates(None)[0]["visible"] is False


def test_the_report_shows_temperature_coverage_reliability_and_risk(calibrated, model, tmp_path):
    page = call("export", "report", "--model", calibrated, "--out", tmp_path / "page.md").result["path"]
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert page == str(tmp_path / "page.md")
    measured = checkpoint.load(calibrated)["calibration"]["measured"]
    for words in (
        "Calibrated on 30 cards",
        "Temperature",
        "4 times in 5",
        "| true grade |",
        "| graded up to",
        "| confidence |",
    ):
        assert words in text
    assert f"{measured['aurc']:.4f}" in text
    assert "has not been checked" in model_report(model, tmp_path)


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
            "19 are needed",
        ),
        (["--manifest", "{tmp}/absent.csv", "--out", "{tmp}/new.pt"], "absent.csv"),
    ],
)
def test_a_calibration_that_cannot_be_made_gives_one_message_and_leaves_no_file(
    words, named, model, manifest, tmp_path
):
    paths = {"model": model, "manifest": manifest, "tmp": tmp_path}
    output = call("calibrate", "--model", model, *(word.format(**paths) for word in words))
    assert not (tmp_path / "from_environment" / "test_openings").exists(), "the test split was not used"
    assert (output.exit_code, output.out) == (2, "")
    assert named in output.err.splitlines()[-1]
    assert not list(tmp_path.glob("new.pt*"))


def test_a_separate_set_of_cards_is_used_completely_and_gives_no_overlap_warning(model, tmp_path):
    # The same designs as the model's own cards, each a grade further: no picture is one of theirs.
    other_cards = write_cards(tmp_path / "others", [grade % 10 + 1 for grade in GRADES_OF_CARDS[:12]])
    output = call("calibrate", "--model", model, "--manifest", other_cards, "--out", tmp_path / "new.pt")
    assert output.exit_code == 0, output.err
    assert (output.result["split"], output.result["calibration"]["cards"]) == ("all", 12)
    assert "of these cards" not in output.err


def test_an_8_bit_model_stays_in_8_bits_with_the_same_weights(model, manifest, tmp_path):
    eight, out = tmp_path / "eight.pt", tmp_path / "calibrated" / "model.pt"
    assert call("export", "model", "--bits", "8", "--model", model, "--out", eight).exit_code == 0
    output = call("calibrate", "--model", eight, "--manifest", manifest, "--split", "all", "--out", out)
    assert output.exit_code == 0, output.err
    assert out.stat().st_size < model.stat().st_size * 0.27
    old, new = (checkpoint.load(path) for path in (eight, out))
    assert old["rounded_to_bits"] == new["rounded_to_bits"] == 8
    assert all(torch.equal(tensor, new["model"][key]) for key, tensor in old["model"].items())
    assert new["calibration"]["cards"] == 30


def test_a_model_that_changes_while_it_is_calibrated_is_not_saved(model, manifest, tmp_path, monkeypatch):
    path, out = tmp_path / "model.pt", tmp_path / "new.pt"
    path.write_bytes(model.read_bytes())

    def and_meanwhile(*words, **named):
        checkpoint.save(path, {**checkpoint.load(path), "name": "another"})
        return fit(*words, **named)

    monkeypatch.setattr("app.commands.calibrate.fit", and_meanwhile)
    output = call("calibrate", "--model", path, "--manifest", manifest, "--split", "all", "--out", out)
    assert (output.exit_code, output.out) == (2, "")
    assert output.err.splitlines()[-1].endswith("model.pt changed while it was being calibrated; calibrate it again")
    assert not out.exists()


@pytest.mark.parametrize("changes", [{"pools": []}, {"temperature": None}, {"coverage": 90}])
def test_a_broken_calibration_gives_one_message_from_every_command(calibrated, manifest, tmp_path, changes):
    broken = as_calibrated(calibrated, tmp_path / "broken.pt", **changes)
    for words in (("grade", *front_and_back(manifest)), ("export", "report", "--out", tmp_path / "page.md")):
        output = call(*words, "--model", broken)
        assert f"{broken}: does not fit this version of Loupe" in output.error_line
    assert not (tmp_path / "page.md").exists()


def test_unreadable_metrics_give_one_message_in_the_report(calibrated, tmp_path):
    broken = as_calibrated(calibrated, tmp_path / "broken.pt", measured={"uncalibrated": None})
    assert f"{broken}: does not fit" in call("export", "report", "--model", broken).error_line


def test_the_output_of_calibrate_is_plain_json(calibration_output):
    assert json.loads(json.dumps(calibration_output.result, allow_nan=False)) == calibration_output.result


@pytest.mark.parametrize(
    ("coverage", "words"),
    [(0.9, "9 times in 10"), (0.8, "4 times in 5"), (0.95, "19 times in 20"), (0.99, "99 times in 100")],
)
def test_a_coverage_is_written_as_times_out_of_a_number(coverage, words):
    assert how_often(coverage) == words
