"""Experiments by command: plans and verdicts, folds, controls, comparisons, and the log of test-set uses."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from app.commands import cross_validate
from engine.cards.pairs import CardPair
from engine.config import build
from engine.experiments import run_folder
from engine.experiments.plans import ExperimentPlan
from labeling.snapshot import pairs_from_manifest
from tests.card_factory import write_cards
from tests.commands import call, settings

# Whole commands on a trained model.
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def empty_data_folder(tmp_path, monkeypatch, restore_signals):
    """Keep tests away from the user's data folder and signal handlers."""
    monkeypatch.setenv("LOUPE_DATA", str(tmp_path / "from_environment"))


def rows_of(path):
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def qwk_of(rows):
    truth = [int(row["grade"]) for row in rows]
    predicted = [1 + int(np.argmax([float(row[f"p{grade}"]) for grade in range(1, 11)])) for row in rows]
    return cohen_kappa_score(truth, predicted, labels=range(1, 11), weights="quadratic")


def test_the_prediction_of_each_validation_card_is_stored_in_the_run_folder(trained, manifest):
    folder = Path(trained.result["model"]).parent
    rows = rows_of(folder / "predictions.csv")
    assert [row["card_id"] for row in rows] == [row["card_id"] for row in rows_of(manifest) if row["split"] == "val"]
    assert qwk_of(rows) == pytest.approx(trained.result["qwk"])
    result = trained.result
    assert result["qwk_gap"] == pytest.approx(result["train_qwk"] - result["qwk"])
    assert result["brier_low"] <= result["brier"] <= result["brier_high"]
    assert result["verdict"]["word"] == "no criteria"
    ledger = json.loads((folder / "ledger.json").read_text(encoding="utf-8"))
    assert ledger["parent"] == "baseline"
    assert set(ledger["changes"]) >= {"image_size", "phase2_epochs", "batch_size"}


def test_a_run_s_verdict_follows_from_the_plan_declared_before_it(manifest, tmp_path):
    output = call(
        *("train", "--manifest", manifest, "--out", tmp_path / "run", "--recipe", "baseline", *settings(dropout="0")),
        *("--hypothesis", "it cannot do worse", "--expect", "qwk>=-1@1", "--fail-if", "mae>20@1,qwk<-2"),
    )
    assert output.exit_code == 0, output.err
    assert output.result["verdict"]["word"] == "as expected"
    assert [check["holds"] for check in output.result["verdict"]["fail"]] == [False, False]
    # Scale and dropout: more than one change is warned of.
    assert "warning: 2 changes at once against baseline" in output.err
    assert output.err.count("warning") == 1
    ledger = json.loads((tmp_path / "run" / "ledger.json").read_text(encoding="utf-8"))
    assert (ledger["hypothesis"], ledger["expect"]) == ("it cannot do worse", ["qwk>=-1.0@1"])


def test_in_a_data_folder_several_changes_at_once_must_be_declared(manifest, tmp_path):
    data = ("--data", tmp_path / "data")
    call("import", manifest, *data)
    words = ("train", "--recipe", "baseline", *settings(dropout="0"), *data)
    error_line = call(*words).error_line
    assert "2 changes at once against baseline" in error_line
    assert "--several-changes-because" in error_line
    assert (
        call(*words, "--parent", "7").error_line
        == "loupe: there is no run 7; choose a parent among the runs that the Train tab lists"
    )
    assert call(*words, "--several-changes-because", "to save time").exit_code == 0
    # The same again with another seed is no change against that run.
    again = call(*words, "--set", "seed=1", "--parent", "1", "--expect", "qwk>1@1")
    assert again.exit_code == 0, again.err
    assert again.result["verdict"]["word"] == "not as expected"
    page = Path(call("export", "history", *data).result["path"]).read_text(encoding="utf-8")
    for word in ("to save time", "run 1", "qwk>1.0@1", "not as expected"):
        assert word in page


def test_folds_validate_every_card_once_and_never_the_test(manifest, tmp_path):
    words = ("--manifest", manifest, "--out", tmp_path / "cv", "--recipe", "baseline", *settings())
    output = call("cross-validate", *words, "--folds", "2")
    assert output.exit_code == 0, output.err
    assert (output.result["split"], len(output.result["folds"])) == ("out of fold", 2)
    rows = rows_of(output.result["predictions"])
    expected = {row["card_id"] for row in rows_of(manifest) if row["split"] != "test"}
    assert sorted(row["card_id"] for row in rows) == sorted(expected)
    assert output.result["n"] == len(expected) == 24
    assert output.result["qwk"] == pytest.approx(qwk_of(rows))
    for fold in (1, 2):
        pairs = [
            json.loads(line) for line in (tmp_path / "cv" / f"fold-{fold}" / "pairs.jsonl").read_text().splitlines()
        ]
        validated = {row["card_id"] for row in rows_of(tmp_path / "cv" / f"fold-{fold}" / "predictions.csv")}
        assert validated == {pair["card_id"] for pair in pairs if pair["split"] == "val"}
    # It resumes like any run: what is finished is not trained again.
    for resume in (("resume",), ("train", "--resume")):
        assert call(*resume, tmp_path / "cv").result == output.result
    assert "--resume" in call("train", *words).error_line
    # Out-of-fold predictions are compared like a run's.
    compared = call("compare", tmp_path / "cv", "--against", tmp_path / "cv").result["comparisons"][0]
    assert (compared["cards"], compared["delta_qwk"], compared["p_holm"]) == (24, 0, 1)


def test_folds_ignore_stop_if_and_their_plan_lists_only_the_declared_criteria(manifest, tmp_path, monkeypatch):
    monkeypatch.setattr(cross_validate, "train_folds", lambda out, cache: {})
    rules = ("--set", "stop_if=mae>=0@1", "--fail-if", "mae>5@1")
    output = call(
        "cross-validate", "--manifest", manifest, "--out", tmp_path / "cv", *settings(), *rules, "--folds", "2"
    )
    assert output.exit_code == 0, output.err
    assert "stop_if=mae>=0@1 is ignored: cross-validation trains every fold to the end" in output.err
    for fold in (tmp_path / "cv/fold-1", tmp_path / "cv/fold-2"):
        assert run_folder.load(fold)[0].stop_if == ""
        assert json.loads((fold / "ledger.json").read_text(encoding="utf-8"))["fail"] == ["mae>5.0@1"]


def test_fewer_folds_are_refused_in_a_folder_with_an_interrupted_set_up(manifest, tmp_path, monkeypatch):
    """Folds are set up from the last to the first, so that the first marks the set-up as complete."""

    def killed(folder, *arguments, record=run_folder.save):
        if folder.name == "fold-3":
            raise KeyboardInterrupt
        record(folder, *arguments)

    monkeypatch.setattr(cross_validate, "train_folds", lambda out, cache: {})
    words = ("cross-validate", "--manifest", manifest, "--out", tmp_path / "cv", *settings())
    with monkeypatch.context() as dying:
        dying.setattr(run_folder, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            cross_validate.set_up_folds(
                tmp_path / "cv", build({}), pairs_from_manifest(manifest).pairs, ExperimentPlan(), 4
            )
    error_line = call(*words, "--folds", "2").error_line
    assert f"{tmp_path / 'cv'} holds fold-3, fold-4 of a cross-validation of more than 2 folds that never" in error_line
    assert run_folder.fold_folders(tmp_path / "cv") == []
    assert not (tmp_path / "cv/fold-2").exists()


def test_controls_ignore_stop_if(tmp_path):
    cross_validate.set_up_controls(
        tmp_path, build({"stop_if": "qwk<0.4@13"}), [CardPair("a", tmp_path / "a.png", None, 9)]
    )
    assert [run_folder.load(folder)[0].stop_if for folder in tmp_path.glob("control-*")] == [""] * 2


def test_controls_are_trained_with_a_model_and_cannot_grade(manifest, tmp_path):
    output = call(
        *("train", "--manifest", manifest, "--out", tmp_path / "run", "--recipe", "baseline", *settings(), "--controls")
    )
    assert output.exit_code == 0, output.err
    controls = output.result["controls"]
    assert set(controls["background"]) >= {"qwk", "qwk_low", "qwk_high", "n", "model"}
    # These cards are not in slabs, so there is no label to train on.
    assert "no card is left for training" in controls["label"]["reason"]
    control = controls["background"]["model"]
    front = manifest.parent / "card-000_front.png"
    assert (
        "is a control trained on the background instead of the card"
        in call("grade", front, "--model", control).error_line
    )
    measured = call("evaluate", "--model", control, "--manifest", manifest, "--split", "val").result
    assert (measured["sees"], measured["confusion"]) == ("background", measured["confusion"])
    assert measured["qwk"] == pytest.approx(controls["background"]["qwk"])
    page = call("export", "report", "--model", output.result["model"]).result["path"]
    assert "background" in Path(page).read_text(encoding="utf-8")


@pytest.mark.long
def test_the_controls_of_a_run_ended_by_stop_if_are_trained_before_the_failure_is_reported(manifest, tmp_path):
    out = tmp_path / "run"
    words = ("train", "--manifest", manifest, "--out", out, *settings(phase2_epochs=2, stop_if="qwk<1.1@1"))
    output = call(*words, "--controls")
    *_, last = output.err.splitlines()
    assert (output.exit_code, output.out) == (2, "")
    assert last.startswith("loupe: epoch 1 fails the run by its rule qwk<1.1@1: qwk is ")
    assert (out / "control-background/model.pt").is_file()
    assert call("train", "--resume", out).err.splitlines()[-1] == last


def test_folds_and_controls_are_not_resumed_by_several_processes(tmp_path, monkeypatch):
    cards = [CardPair(f"{n}", tmp_path / f"{n}.png", None, 9, split="val" if n else "train") for n in range(2)]
    cross_validate.set_up_folds(tmp_path / "folds", build({}), cards, ExperimentPlan(), 2)
    run_folder.save(tmp_path / "controlled", build({}), cards)
    cross_validate.set_up_controls(tmp_path / "controlled", build({}), cards)
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("folds", "controlled"):
        error_line = call("train", "--resume", tmp_path / name).error_line
        assert f"{name} holds folds or controls, which train in a single process; resume it without" in error_line


def test_every_use_of_the_test_split_is_counted_and_reported(model, manifest, tmp_path):
    model_file = Path(shutil.copytree(model.parent, tmp_path / "run")) / "model.pt"
    (tmp_path / "run" / "test_openings.jsonl").unlink(missing_ok=True)

    def evaluate_split(*split):
        output = call("evaluate", "--model", model_file, "--manifest", manifest, *split)
        assert ("6 test cards are used" in output.err) == (split != ("--split", "val"))
        return output.result["test_openings"]

    assert [
        evaluate_split("--split", "val"),
        evaluate_split("--split", "test"),
        evaluate_split(),
        evaluate_split("--split", "val"),
    ] == [0, 1, 2, 2]
    page = Path(call("export", "report", "--model", model_file).result["path"]).read_text(encoding="utf-8")
    assert "the test split was opened 2 times" in page


@pytest.mark.long
def test_runs_are_compared_by_seed_and_losses_of_different_objectives_are_not(manifest, tmp_path):
    runs = {}
    for name, changed in {"a0": {}, "a1": {"seed": "1"}, "b0": {"loss": "ordinal"}}.items():
        out = tmp_path / name
        output = call("train", "--manifest", manifest, "--out", out, "--recipe", "baseline", *settings(**changed))
        assert output.exit_code == 0, output.err
        runs[name] = output.result["model"]
    output = call("compare", runs["b0"], runs["a1"], "--against", tmp_path / "a0", "--against", runs["a1"])
    assert output.exit_code == 0, output.err
    ordinal, itself = output.result["comparisons"]
    assert (ordinal["seeds"], itself["seeds"]) == ([0], [1])
    assert ordinal["changed"] == {"loss": {"reference": "ce_emd", "own": "ordinal"}}
    assert ordinal["delta_qwk"] == pytest.approx(ordinal["qwk"] - ordinal["reference_qwk"])
    assert ordinal["delta_val_loss"] is None
    assert "different units" in ordinal["val_loss_reason"]
    assert (itself["delta_qwk"], itself["delta_val_loss"]) == (0, 0)
    assert output.result["family"] == 2
    assert "share no seed" in call("compare", runs["b0"], "--against", runs["a1"]).error_line
    assert "there is no run at nowhere" in call("compare", "nowhere", "--against", runs["a1"]).error_line


def test_a_leaking_manifest_is_refused_naming_the_pair(manifest, tmp_path):
    rows = manifest.read_text(encoding="utf-8").splitlines()
    header, first = rows[0], rows[1]
    again = first.replace("card-000,", "twin,", 1).replace(",train,", ",val,")
    (tmp_path / "leak.csv").write_text("\n".join([header, first, again]) + "\n", encoding="utf-8")
    error_line = call("train", "--manifest", tmp_path / "leak.csv", "--out", tmp_path / "run", *settings()).error_line
    assert "cards 'card-000' (train) and 'twin' (val) show the same picture" in error_line
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.parametrize(
    ("words", "settled", "sentence"),
    [
        (("cross-validate", "--folds", "3"), {}, "which this run evaluates on (val)"),
        (
            ("train", "--controls"),
            {"back_encoder": "resnet34"},
            "has back_encoder = 'resnet18' and this run 'resnet34'",
        ),
        (("train",), {"pretrained": "modle.pt"}, "there is no such file; give another, starter or none"),
    ],
)
def test_incompatible_starting_weights_are_refused_before_anything_is_written(
    model, manifest, tmp_path, words, settled, sentence
):
    options = settings(**{"pretrained": model, "front_encoder": "resnet18", "back_encoder": "resnet18", **settled})
    assert sentence in call(*words, "--manifest", manifest, "--out", tmp_path / "run", *options).error_line
    assert not (tmp_path / "run").exists()


def test_in_a_data_folder_a_run_with_incompatible_starting_weights_is_not_queued(model, manifest, tmp_path):
    data = ("--data", tmp_path / "data")
    call("import", manifest, *data)
    words = ("train", "--recipe", "baseline", *settings(pretrained=model), *data)
    assert "set front_encoder = resnet18" in call(*words).error_line
    assert "run 1" not in Path(call("export", "history", *data).result["path"]).read_text(encoding="utf-8")


def test_a_refused_start_leaves_nothing_in_its_folder_so_that_it_can_be_given_again(tmp_path):
    manifest = write_cards(tmp_path / "cards", [9, 8, 7, 6, 5], splits=True)
    content = manifest.read_text(encoding="utf-8")
    for name, rows in {
        "no validation card": content.replace(",val,", ",train,"),
        "no training card": content.replace(",train,", ",val,"),
        # Found out only while the pictures are prepared.
        "no validation picture": content.replace("card-003_front.png", "gone.png").replace("card-003_back.png", ""),
    }.items():
        assert rows != content, name
        changed, out = manifest.with_name("changed.csv"), tmp_path / "run"
        changed.write_text(rows, encoding="utf-8")
        output = call("train", "--manifest", changed, "--out", out, "--recipe", "baseline", *settings())
        assert output.exit_code == 2, (name, output)
        assert f"no card is left for {name.split()[1]}" in output.err, (name, output.err)
        assert not out.exists(), name


def test_a_refused_start_keeps_what_was_in_its_folder_before(tmp_path):
    manifest = write_cards(tmp_path / "cards", [9, 8, 7], splits=True)
    out = tmp_path / "run"
    out.mkdir()
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    assert call("train", "--manifest", manifest, "--out", out, "--recipe", "baseline", *settings()).exit_code == 2
    assert [path.name for path in out.iterdir()] == ["notes.txt"]
