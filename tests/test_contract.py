"""The contract of the commands: names, options, JSON keys, exit codes and output streams."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.config import Config
from engine.image.read import read_picture
from engine.recipes import RECIPES
from tests.card_factory import card_picture, card_quad, write_cards
from tests.commands import call, run, settings

# Whole commands on a trained model.
pytestmark = pytest.mark.slow

METRICS = {"qwk", "qwk_low", "qwk_high", "exact", "within_one", "mae", "macro_mae", "auc_9_10", "confusion", "ece", "n"}
CERTAINTY = {
    *(f"{name}{end}" for name in ("coverage", "mean_width", "aurc", "nll") for end in ("", "_low", "_high")),
    *("coverage_by_grade", "reliability", "risk_coverage", "uncalibrated", "calibration"),
}
TRAINED = {"model", "split", "epochs", "seconds", "pairs_per_second", "data_wait_share"}
GRADED = {
    *("grade", "expected", "probabilities", "interval", "abstained", "reasons", "centering_ceiling", "model"),
    *("ceiling_reason", "ceiling_applied", "in_domain", "calibration", "front", "back", "subgrades"),
}
SIDE = {
    *("kind", "quad", "px_per_mm", "quality", "centering", "centering_reason", "corners", "edges", "surface"),
    *("surface_reason", "findings", "possible_findings", "min_finding_confidence", "overlay", "measured"),
}


@pytest.fixture(autouse=True)
def empty_data_folder(tmp_path, monkeypatch):
    """Keep tests away from the user's data folder."""
    monkeypatch.setenv("LOUPE_DATA", str(tmp_path / "from_environment"))


def pictures_of(manifest: Path, name: str) -> tuple[Path, Path]:
    return manifest.parent / f"{name}_front.png", manifest.parent / f"{name}_back.png"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def below_a_file(tmp_path: Path) -> Path:
    """A folder that cannot be created, not even by root."""
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    return tmp_path / "file" / "folder"


# --- the command line


def test_every_documented_command_exists():
    output = call("--help")
    assert output.exit_code == 0
    for word in ("import", "train", "evaluate", "grade", "export", "--host", "--port", "--data", "--no-browser"):
        assert word in output.out + output.err


@pytest.mark.parametrize("command", ["import", "train", "evaluate", "grade", "export"])
def test_every_command_has_the_options_data_and_json(command):
    output = call(command, "--help")
    assert "--data" in output.out
    assert "--json" in output.out


def test_the_recipes_and_the_flat_keys_have_the_names_that_scripts_use():
    assert {"original", "over_regularised", "baseline", "four_at_once", "label_smoothing", "ordinal"} <= set(RECIPES)
    assert {"smoothing_capped", "smoothing_emd_05", "smoothing_15", "focal", "loupe"} <= set(RECIPES)
    keys = """front_encoder back_encoder image_size batch_size phase1_epochs phase2_epochs lr_phase1 lr_phase2 dropout
    weight_decay alpha_emd beta_edge beta_center label_smoothing mixup_alpha class_weights class_weight_cap sampler_eta
    fusion_weight loss schedule pretrained seed device"""
    assert set(keys.split()) <= set(Config.model_fields)


# --- import


def test_import_reports_its_counts_and_a_second_import_adds_nothing(manifest, tmp_path):
    first = call("import", manifest, "--data", tmp_path / "data")
    assert (first.exit_code, first.result) == (0, {"added": 30, "known": 0, "refused": [], "changed_labels": 0})
    again = call("--data", tmp_path / "data", "import", manifest.parent)
    assert (again.exit_code, again.result) == (0, {"added": 0, "known": 30, "refused": [], "changed_labels": 0})


def test_import_reports_each_refused_row_imports_the_rest_and_exits_with_2(tmp_path):
    manifest = write_cards(tmp_path / "cards", [9, 8, 7, 6])
    (tmp_path / "cards" / "card-001_back.png").write_bytes(b"no picture")
    (tmp_path / "cards" / "card-002_front.png").unlink()
    manifest.write_text(manifest.read_text(encoding="utf-8").replace(",6,", ",eleven,"), encoding="utf-8")
    output = run("import", manifest, "--data", tmp_path / "data")
    assert output.exit_code == 2
    assert (output.result["added"], output.result["known"]) == (1, 0)
    assert [set(refusal) for refusal in output.result["refused"]] == [{"path", "reason"}] * 3
    reasons = " ".join(refusal["reason"] for refusal in output.result["refused"])
    for word in ("card-001_back.png", "card-002_front.png", "eleven"):
        assert word in reasons
    # A slow machine also prints progress lines.
    lines = [line for line in output.err.splitlines() if not line.startswith("cards: ")]
    assert len(lines) == 3
    for line, refusal in zip(lines, output.result["refused"], strict=True):
        name = Path(refusal["path"]).name
        assert line.startswith(f"{refusal['path']}: ")
        assert line.count(name) == 1, "the file is named once"


def test_import_reads_a_folder_per_grade_pairs_by_name_and_a_file_of_labels(manifest, tmp_path):
    graded, paired = tmp_path / "graded", tmp_path / "paired"
    for name, grade in (("card-000", "psa9"), ("card-001", "10"), ("card-002", "psa11")):
        (graded / grade).mkdir(parents=True)
        shutil.copy(pictures_of(manifest, name)[0], graded / grade)
    paired.mkdir()
    for name in ("card-003", "card-004"):
        for path in pictures_of(manifest, name):
            shutil.copy(path, paired)
    (tmp_path / "grades.csv").write_text("card_id,grade\ncard-003,8.5\n", encoding="utf-8")

    output = call("import", graded, "--data", tmp_path / "data")
    assert (output.exit_code, output.result["added"]) == (2, 2)
    assert "psa11" in output.result["refused"][0]["path"]
    output = call("import", paired, "--labels", tmp_path / "grades.csv", "--data", tmp_path / "data")
    assert (output.exit_code, output.result["added"]) == (0, 2)

    path = call("export", "labels", "--out", tmp_path / "labels.csv", "--data", tmp_path / "data").result["path"]
    rows = {row["card_id"]: row for row in rows_of(Path(path))}
    assert {name: row["grade"] for name, row in rows.items()} == {
        "psa9/card-000": "9",
        "10/card-001": "10",
        "card-003": "8.5",
        "card-004": "",
    }
    assert rows["card-003"]["back"].endswith("card-003_back.png")
    assert rows["psa9/card-000"]["back"] == ""


def test_the_data_folder_comes_from_the_option_or_else_from_the_environment(manifest, tmp_path):
    (tmp_path / "one").mkdir()
    shutil.copy(pictures_of(manifest, "card-000")[0], tmp_path / "one")
    assert call("import", tmp_path / "one").exit_code == 0
    assert (tmp_path / "from_environment" / "loupe.db").is_file()
    assert call("--data", tmp_path / "before", "import", tmp_path / "one", "--data", tmp_path / "after").exit_code == 0
    assert (tmp_path / "after" / "loupe.db").is_file()
    assert not (tmp_path / "before" / "loupe.db").exists()


def test_json_is_written_to_the_given_file_instead_of_stdout(manifest, tmp_path):
    output = call("import", manifest, "--json", tmp_path / "said.json")
    assert (output.exit_code, output.out) == (0, "")
    assert json.loads((tmp_path / "said.json").read_text(encoding="utf-8"))["added"] == 30


# --- train, evaluate


def test_train_prints_one_json_with_the_model_its_speed_and_its_metrics(trained):
    assert trained.exit_code == 0, trained.err
    result = trained.result
    assert set(result) >= TRAINED | METRICS
    assert Path(result["model"]).is_absolute()
    assert Path(result["model"]).is_file()
    assert (result["split"], result["epochs"], result["n"]) == ("validation", 1, 6)
    assert result["seconds"] > 0
    # The oracle: 18 cards are trained on, each once an epoch.
    assert result["pairs_per_second"] == pytest.approx(18 / result["seconds"])
    assert 0 <= result["data_wait_share"] <= 1
    assert "epoch 1: train loss" in trained.err


def test_train_refuses_a_folder_with_a_run_and_resume_continues_it(trained, manifest, tmp_path, restore_signals):
    folder = tmp_path / "run"
    shutil.copytree(Path(trained.result["model"]).parent, folder)
    error_line = call("train", "--manifest", manifest, "--out", folder, *settings()).error_line
    assert str(folder) in error_line
    assert "--resume" in error_line
    resumed = call("train", "--resume", folder, "--data", tmp_path / "data")
    assert resumed.exit_code == 0, resumed.err
    # All epochs were done: nothing is trained again, and the figures are the ones that were printed.
    assert resumed.result == {**trained.result, "model": str(folder / "model.pt")}


def test_evaluate_measures_the_requested_split(model, manifest):
    outputs = {
        split: call("evaluate", "--model", model, "--manifest", manifest, "--split", split)
        for split in ("train", "val", "test", "all")
    }
    assert [output.exit_code for output in outputs.values()] == [0, 0, 0, 0]
    assert {split: output.result["n"] for split, output in outputs.items()} == {
        "train": 18,
        "val": 6,
        "test": 6,
        "all": 30,
    }
    for output in outputs.values():
        assert set(output.result) >= METRICS | CERTAINTY
        confusion = np.array(output.result["confusion"])
        assert confusion.shape == (10, 10)
        assert confusion.sum() == output.result["n"]
        assert output.result["exact"] == pytest.approx(np.trace(confusion) / confusion.sum())
        distance = np.abs(np.subtract.outer(np.arange(10), np.arange(10)))
        assert output.result["mae"] == pytest.approx((confusion * distance).sum() / confusion.sum())
    grades = [int(row["grade"]) for row in rows_of(manifest)]
    counted = np.array(outputs["all"].result["confusion"]).sum(axis=1)
    assert counted.tolist() == np.bincount(grades, minlength=11)[1:].tolist()


def test_evaluate_gives_the_metrics_that_training_printed_for_the_validation_split(model, manifest, trained):
    result = call("evaluate", "--model", model, "--manifest", manifest, "--split", "val").result
    assert result["confusion"] == trained.result["confusion"]
    assert result["ece"] == pytest.approx(trained.result["ece"], abs=1e-4)


def test_evaluate_writes_the_ten_probabilities_of_each_card_on_request(model, manifest, tmp_path):
    path = tmp_path / "said.csv"
    result = call("evaluate", "--model", model, "--manifest", manifest, "--split", "all", "--predictions", path).result
    rows = rows_of(path)
    probabilities = np.array([[float(row[f"p{grade}"]) for grade in range(1, 11)] for row in rows])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    truth = {row["card_id"]: int(row["grade"]) for row in rows_of(manifest)}
    predicted = {row["card_id"]: grade for row, grade in zip(rows, probabilities.argmax(axis=1) + 1, strict=True)}
    assert result["exact"] == pytest.approx(np.mean([predicted[card] == truth[card] for card in truth]))


def test_evaluate_uses_and_reports_the_requested_number_of_views(model, manifest):
    once, often = (
        call("evaluate", "--model", model, "--manifest", manifest, *views).result for views in ((), ("--tta", 3))
    )
    assert (once["views"], often["views"]) == (1, 3)
    assert once["nll"] != often["nll"]


def test_evaluate_without_a_manifest_uses_the_labels_of_the_data_folder(model, manifest, tmp_path):
    call("import", manifest, "--data", tmp_path / "data")
    output = call("evaluate", "--model", model, "--data", tmp_path / "data", "--split", "all")
    assert (output.exit_code, output.result["n"]) == (0, 30)


# --- grade


def test_grade_reports_a_pair_with_both_overlays(model, manifest, tmp_path):
    front, back = pictures_of(manifest, "card-002")
    output = run("grade", front, back, "--model", model, "--out", tmp_path / "out")
    assert output.exit_code == 0, output.err
    graded = output.result
    assert set(graded) == GRADED
    assert graded["grade"] in range(1, 11)
    assert len(graded["probabilities"]) == 10
    assert sum(graded["probabilities"]) == pytest.approx(1)
    assert graded["grade"] == 1 + int(np.argmax(graded["probabilities"]))
    assert graded["expected"] == pytest.approx(np.dot(graded["probabilities"], range(1, 11)))
    interval = graded["interval"]
    assert set(interval) == {"coverage", "low", "high"}
    assert sum(graded["probabilities"][interval["low"] - 1 : interval["high"]]) >= interval["coverage"]
    assert graded["abstained"] is False
    assert set(graded["model"]) == {"name", "sha256", "trained_on"}
    for side in ("front", "back"):
        assert set(graded[side]) >= SIDE
        assert graded[side]["kind"] in ("photo", "scan", "slab")
        assert np.abs(np.array(graded[side]["quad"]) - card_quad()).max() < 4
        # A card of 63 x 88 mm is 250 pixels wide here.
        assert graded[side]["px_per_mm"] == pytest.approx(250 / 63, rel=0.03)
        assert {"verdict", "sharpness", "glare"} <= set(graded[side]["quality"])
        overlay = Path(graded[side]["overlay"])
        assert overlay.is_absolute()
        with Image.open(overlay) as picture:
            assert picture.format == "PNG"
            card = read_picture(overlay.with_name(f"{side}_card.png"))
            # The heat map may be empty if nothing lowers the grade; the card below it is always this one.
            assert np.asarray(picture).shape == card.shape


def test_grade_reports_a_front_alone(model, manifest):
    front, _ = pictures_of(manifest, "card-002")
    output = call("grade", front, "--model", model)
    assert output.exit_code == 0
    assert output.result["grade"] in range(1, 11)
    assert output.result["back"] is None
    assert output.result["front"]["overlay"] is None


def test_grade_without_any_model_still_finds_the_card_and_abstains_with_3(manifest):
    output = call("grade", *pictures_of(manifest, "card-002"))
    assert output.exit_code == 3
    graded = output.result
    assert set(graded) == GRADED
    assert (graded["grade"], graded["probabilities"], graded["model"]) == (None, None, None)
    assert graded["abstained"] is True
    assert graded["reasons"]
    for side in ("front", "back"):
        assert np.abs(np.array(graded[side]["quad"]) - card_quad()).max() < 4
        assert graded[side]["overlay"] is None


def test_grade_finds_the_card_in_the_upright_picture(tmp_path):
    picture = Image.fromarray(card_picture(8, seed=1, side="front"))
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise to show
    picture.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    quad = np.array(call("grade", tmp_path / "turned.png").result["front"]["quad"])
    assert np.abs(quad - card_quad()).max() < 4


def test_grade_batch_reports_in_the_order_of_the_manifest_with_an_error_for_each_failed_card(model, tmp_path):
    manifest = write_cards(tmp_path / "cards", [9, None, 7])
    names = ["a/b?", "..", ".", "x" * 300]
    (tmp_path / "cards" / "card-001_front.png").write_bytes(b"no picture")
    with manifest.open("a", encoding="utf-8") as file:
        file.write(f"eleven,{tmp_path}/cards/card-000_front.png,,11,,,,,,\n")
        for name in names:
            file.write(f"{name},,{tmp_path}/cards/card-002_back.png,,,,,,,\n")
    output = call("grade", "--batch", manifest, "--model", model, "--out", tmp_path / "out")
    assert output.exit_code == 0
    assert [report["card_id"] for report in output.result] == ["card-000", "card-001", "card-002", "eleven", *names]
    assert [set(output.result[index]) for index in (1, 3)] == [{"card_id", "error"}] * 2
    assert "grade '11'" in output.result[3]["error"]
    assert "card-001_front.png" in output.result[1]["error"]
    for index, sides in ((0, ("front", "back")), (2, ("front", "back")), *((4 + at, ("back",)) for at in range(4))):
        assert set(output.result[index]) == {"card_id", *GRADED}
        assert all(Path(output.result[index][side]["overlay"]).is_file() for side in sides)
    overlays = {Path(output.result[index]["back"]["overlay"]) for index in (0, 2, 4, 5, 6, 7)}
    assert len(overlays) == 6
    assert all(overlay.resolve().is_relative_to(tmp_path / "out") for overlay in overlays)
    assert not [*(tmp_path / "out").glob("*.png")]


# --- export


def test_export_writes_labels_model_report_and_history(model, manifest, tmp_path):
    data = ("--data", tmp_path / "data")
    call("import", manifest, *data)
    labels = call("export", "labels", *data)
    assert labels.result["cards"] == 30
    second_import = call("import", labels.result["path"], "--data", tmp_path / "other")
    assert second_import.result == {"added": 30, "known": 0, "refused": [], "changed_labels": 0}
    copy = call("export", "model", "--model", model, "--out", tmp_path / "deep" / "copy.pt", *data)
    assert (tmp_path / "deep" / "copy.pt").read_bytes() == model.read_bytes()
    assert copy.result["path"] == str(tmp_path / "deep" / "copy.pt")
    report = Path(call("export", "report", "--model", model, *data).result["path"]).read_text(encoding="utf-8")
    assert copy.result["sha256"] in report
    assert "qwk" in report
    history = call("export", "history", *data)
    assert history.result["runs"] == 0
    assert Path(history.result["path"]).is_file()


# --- models and runs


def test_a_model_is_refused_with_3_and_promoted_with_a_reason(manifest, model):
    assert call("import", manifest).exit_code == 0
    assert call("models", "list").result == {
        **dict.fromkeys(("name", "sha256", "since", "by", "run")),
        "history": [],
        "candidates": [],
    }
    compared = call("models", "compare", model)
    assert compared.exit_code == 0, compared.err
    # Of thirty cards, six judge: six more are for testing, and it was trained on eighteen.
    assert (compared.result["cards"], compared.result["learned"], compared.result["passes"]) == (6, 18, False)
    refused = call("models", "promote", model)
    assert (refused.exit_code, refused.out) == (3, "")
    assert "Only 6 cards can judge it" in refused.err
    promoted = call("models", "promote", model, "--reason", "the first")
    assert promoted.exit_code == 0, promoted.err
    assert set(promoted.result) >= {"name", "sha256", "since", "by"}
    [row] = call("models", "list").result["history"]
    assert (row["reason"], row["passed"], row["rollback"]) == ("the first", False, False)
    assert "in use already" in call("models", "promote", model).error_line
    assert "no other model was in use" in call("models", "rollback").error_line


def test_models_and_runs_that_do_not_exist_are_one_line(tmp_path):
    for words, named in (
        (("models", "promote", "7"), "there is no run 7"),
        (("models", "promote", tmp_path / "absent.pt"), "absent.pt"),
        (("models", "compare", "starter"), "ships no starter"),
        (("models", "rollback", "--to", "3"), "number 3"),
        (("models", "rollback"), "no other model"),
        (("runs", "show", "7"), "there is no run 7"),
        (("runs", "stop", "7"), "there is no run 7"),
        (("runs", "resume", "7"), "there is no run 7"),
    ):
        assert named in call(*words).error_line
    assert call("runs", "list").result == []


# --- what is refused


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["import", "{tmp}/nowhere"], "nowhere"),
        (["import", "{tmp}/empty"], "empty"),
        (["import", "~nobody-of-this-name/cards"], "~nobody-of-this-name"),
        (["import", "{tmp}/{long}"], "no file has a name as long as"),
        (["import", "{tmp}/noise.png"], "noise.png"),
        (["import", "{tmp}/columns.csv"], "'front'"),
        (["import", "{cards}", "--labels", "{tmp}/absent.csv"], "absent.csv"),
        (["import", "{tmp}/empty", "--data", "{unmakeable}"], "file/folder"),
        (["train", "--manifest", "{tmp}/absent.csv", "--out", "{tmp}/new"], "absent.csv"),
        (["train", "--manifest", "{tmp}/columns.csv", "--out", "{tmp}/new"], "'front'"),
        (["train", "--manifest", "{cards}/labels.csv"], "--out"),
        (["train", "--out", "{tmp}/new"], "--manifest"),
        (["train", "--recipe", "magic"], "'magic'"),
        (["train", "--set", "dropout"], "'dropout'"),
        (["train", "--set", "speed=9"], "'speed'"),
        (["train", "--set", "dropout=1.5"], "dropout"),
        (["train", "--set", "image_size=100"], "image_size"),
        (["train", "--set", "front_encoder=vgg"], "front_encoder"),
        (["train", "--set", "phase2_epochs=0"], "phase2_epochs"),
        (["train", "--resume", "{tmp}/empty"], "empty"),
        (["train", "--resume", "{tmp}/absent"], "absent"),
        (["train", "--resume", "{tmp}/empty", "--set", "dropout=0"], "--set"),
        (["train", "--resume", "{tmp}/empty", "--recipe", "loupe"], "--recipe"),
        (["train", "--resume", "{tmp}/empty", "--expect", "qwk>0"], "--parent"),
        (["train", "--resume", "{tmp}/torn"], "torn"),
        (["train", "--resume", "{tmp}/old"], "old"),
        (["train", "--manifest", "{cards}/labels.csv", "--out", "{unmakeable}"], "file/folder"),
        (["train", "--run", "7"], "7"),
        (["train", "--parent", "9" * 20], "9" * 20),
        (["train", "--set", "pretrained=~nobody-of-this-name/model.pt"], "~nobody-of-this-name"),
        (["train", "--set", "teachers=~nobody-of-this-name/said.csv"], "~nobody-of-this-name"),
        (["compare", "9" * 20, "--against", "8" * 20], "there is no run"),
        (["train"], "label"),
        (["evaluate", "--manifest", "{cards}/labels.csv"], "model"),
        (["evaluate", "--model", "{tmp}/absent.pt"], "absent.pt"),
        (["evaluate", "--model", "{tmp}/noise.png", "--manifest", "{cards}/labels.csv"], "noise.png"),
        (["evaluate", "--model", "current"], "grading model"),
        (["evaluate", "--model", "{tmp}/{long}"], "no file has a name as long as"),
        (["evaluate", "--model", "{model}"], "label"),
        (["evaluate", "--model", "{model}", "--manifest", "{tmp}/absent.csv"], "absent.csv"),
        (["grade", "{tmp}/absent.png"], "absent.png"),
        (["grade", "{tmp}/noise.png"], "noise.png"),
        (["grade", "{tmp}/empty"], "empty"),
        (["grade"], "--batch"),
        (["grade", "{front}", "--batch", "{cards}/labels.csv"], "--batch"),
        (["grade", "{front}", "--model", "{tmp}/noise.png"], "noise.png"),
        (["grade", "{front}", "--model", "{model}", "--out", "{unmakeable}"], "file/folder"),
        (["grade", "--batch", "{tmp}/absent.csv"], "absent.csv"),
        (["grade", "--batch", "{tmp}/columns.csv"], "'front'"),
        (["grade", "{front}", "--json", "{unmakeable}/said.json"], "file/folder"),
        (["grade", "{front}", "--json", "{tmp}/empty"], "empty"),
        (["export", "model"], "model"),
        (["export", "report", "--model", "{tmp}/noise.png"], "noise.png"),
        (["export", "report", "--model", "{state}"], "give the model.pt in the same folder"),
        (["export", "model", "--model", "{state}"], "give the model.pt in the same folder"),
        (["export", "model", "--bits", "8", "--model", "{state}"], "give the model.pt in the same folder"),
        (["export", "labels", "--out", "{unmakeable}/labels.csv"], "file/folder"),
        (["--data", "{unmakeable}", "--no-browser"], "file/folder"),
        (["--data", "~nobody-of-this-name", "--no-browser"], "~nobody-of-this-name"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_code_2(words, named, tmp_path, manifest, model):
    (tmp_path / "empty").mkdir()
    for name, config in (("torn", "{"), ("old", '{"speed": 9}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(config, encoding="utf-8")
    (tmp_path / "noise.png").write_bytes(b"neither a picture nor a model")
    (tmp_path / "columns.csv").write_text("card_id,grade\na,9\n", encoding="utf-8")
    paths = {
        "tmp": tmp_path,
        "cards": manifest.parent,
        "front": pictures_of(manifest, "card-000")[0],
        "model": model,
        "state": model.with_name("last.ckpt"),
        "long": "x" * 300,
        "unmakeable": below_a_file(tmp_path),
    }
    error_line = call(*(word.format(**paths) for word in words)).error_line
    assert error_line.startswith("loupe: ")
    assert named in error_line.removeprefix("loupe: ")
    assert "Error" not in error_line


def test_a_refusal_in_a_separate_process_shows_no_traceback(tmp_path):
    output = run("import", tmp_path / "nowhere", "--data", tmp_path / "data")
    assert "nowhere" in output.error_line


def test_a_wrong_row_of_a_training_manifest_is_named_and_left_out(tmp_path):
    manifest = write_cards(tmp_path / "cards", [9, 8, 7, 6])
    text = manifest.read_text(encoding="utf-8").replace(",9,", ",eleven,")
    manifest.write_text("\n".join(line for line in text.splitlines() if "val" not in line), encoding="utf-8")
    output = call("train", "--manifest", manifest, "--out", tmp_path / "run", *settings())
    # What is left has no validation card, so nothing is trained: two lines, the row's and the reason to stop.
    assert (output.exit_code, output.out) == (2, "")
    row, reason = output.err.splitlines()
    assert row.startswith("labels.csv:2: ")
    assert "eleven" in row
    assert "validation" in reason
