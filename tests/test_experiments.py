"""Experiments by command: said before, judged after, folded, controlled, compared, and the test split counted."""

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
from engine.experiments.plans import Plan
from labeling.snapshot import pairs_from_manifest
from tests.commands import call, settings


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path, monkeypatch, signals_as_they_were):
    """No test may touch the data folder of whoever runs it, or its signals."""
    monkeypatch.setenv("LOUPE_DATA", str(tmp_path / "from_environment"))


def rows_of(path):
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def qwk_of(rows):
    truth = [int(row["grade"]) for row in rows]
    predicted = [1 + int(np.argmax([float(row[f"p{grade}"]) for grade in range(1, 11)])) for row in rows]
    return cohen_kappa_score(truth, predicted, labels=range(1, 11), weights="quadratic")


def test_what_was_said_of_each_validation_card_stands_beside_the_model(trained, manifest):
    folder = Path(trained.result["model"]).parent
    rows = rows_of(folder / "predictions.csv")
    assert [row["card_id"] for row in rows] == [row["card_id"] for row in rows_of(manifest) if row["split"] == "val"]
    assert qwk_of(rows) == pytest.approx(trained.result["qwk"])
    said = trained.result
    assert said["qwk_gap"] == pytest.approx(said["train_qwk"] - said["qwk"])
    assert said["brier_low"] <= said["brier"] <= said["brier_high"]
    assert said["verdict"]["word"] == "nothing was expected"
    told = json.loads((folder / "ledger.json").read_text(encoding="utf-8"))
    assert told["parent"] == "baseline"
    assert set(told["changes"]) >= {"image_size", "phase2_epochs", "batch_size"}


def test_a_run_is_judged_by_what_was_said_of_it_before(manifest, tmp_path):
    said = call(
        *("train", "--manifest", manifest, "--out", tmp_path / "run", "--recipe", "baseline", *settings(dropout="0")),
        *("--hypothesis", "it cannot do worse", "--expect", "qwk>=-1@1", "--fail", "mae>20@1,qwk<-2"),
    )
    assert said.code == 0, said.err
    assert said.result["verdict"]["word"] == "as expected"
    assert [check["holds"] for check in said.result["verdict"]["fail"]] == [False, False]
    # Scale and dropout: more than one change is warned of.
    assert "warning: 2 changes at once against baseline" in said.err
    assert said.err.count("warning") == 1
    told = json.loads((tmp_path / "run" / "ledger.json").read_text(encoding="utf-8"))
    assert (told["hypothesis"], told["expect"]) == ("it cannot do worse", ["qwk>=-1.0@1"])


def test_in_a_data_folder_several_changes_at_once_must_be_declared(manifest, tmp_path):
    data = ("--data", tmp_path / "data")
    call("import", manifest, *data)
    words = ("train", "--recipe", "baseline", *settings(dropout="0"), *data)
    complaint = call(*words).complaint
    assert "2 changes at once against baseline" in complaint
    assert '--bundle "why"' in complaint
    assert (
        call(*words, "--parent", "7").complaint
        == "loupe: there is no run 7 to be the parent; the Train tab lists the runs"
    )
    assert call(*words, "--bundle", "to save time").code == 0
    # The same again with another seed is no change against that run.
    again = call(*words, "--set", "seed=1", "--parent", "1", "--expect", "qwk>1@1")
    assert again.code == 0, again.err
    assert again.result["verdict"]["word"] == "not as expected"
    page = Path(call("export", "history", *data).result["path"]).read_text(encoding="utf-8")
    for word in ("to save time", "run 1", "qwk>1.0@1", "not as expected"):
        assert word in page


@pytest.mark.slow
def test_folds_validate_every_card_once_and_never_the_test(manifest, tmp_path):
    words = ("train", "--manifest", manifest, "--out", tmp_path / "cv", "--recipe", "baseline", *settings())
    said = call(*words, "--folds", "2")
    assert said.code == 0, said.err
    assert (said.result["split"], len(said.result["folds"])) == ("out of fold", 2)
    rows = rows_of(said.result["predictions"])
    expected = {row["card_id"] for row in rows_of(manifest) if row["split"] != "test"}
    assert sorted(row["card_id"] for row in rows) == sorted(expected)
    assert said.result["n"] == len(expected) == 24
    assert said.result["qwk"] == pytest.approx(qwk_of(rows))
    for fold in (1, 2):
        told = [
            json.loads(line) for line in (tmp_path / "cv" / f"fold-{fold}" / "pairs.jsonl").read_text().splitlines()
        ]
        held = {row["card_id"] for row in rows_of(tmp_path / "cv" / f"fold-{fold}" / "predictions.csv")}
        assert held == {pair["card_id"] for pair in told if pair["split"] == "val"}
    # It resumes like any run: what is finished is not trained again.
    again = call("train", "--resume", tmp_path / "cv")
    assert again.result == said.result
    assert "--resume" in call(*words).complaint
    # Out-of-fold predictions are compared like a run's.
    compared = call("compare", tmp_path / "cv", "--with", tmp_path / "cv").result["comparisons"][0]
    assert (compared["cards"], compared["delta_qwk"], compared["p_holm"]) == (24, 0, 1)


def test_folds_are_told_no_rule_that_ends_a_run_and_their_plan_lists_what_was_said_alone(
    manifest, tmp_path, monkeypatch
):
    monkeypatch.setattr(cross_validate, "train_folds", lambda out: {})
    rules = ("--set", "stop_if=mae>=0@1", "--fail", "mae>5@1")
    said = call("train", "--manifest", manifest, "--out", tmp_path / "cv", *settings(), *rules, "--folds", "2")
    assert said.code == 0, said.err
    assert "no fold is ended by stop_if=mae>=0@1: every card is to be judged" in said.err
    for fold in (tmp_path / "cv/fold-1", tmp_path / "cv/fold-2"):
        assert run_folder.told(fold)[0].stop_if == ""
        assert json.loads((fold / "ledger.json").read_text(encoding="utf-8"))["fail"] == ["mae>5.0@1"]


def test_fewer_folds_do_not_begin_among_those_whose_telling_was_killed(manifest, tmp_path, monkeypatch):
    """Folds are told from the last to the first, so that the first's presence means that all are told."""

    def killed(folder, *told, record=run_folder.record):
        if folder.name == "fold-3":
            raise KeyboardInterrupt
        record(folder, *told)

    monkeypatch.setattr(cross_validate, "train_folds", lambda out: {})
    words = ("train", "--manifest", manifest, "--out", tmp_path / "cv", *settings())
    with monkeypatch.context() as dying:
        dying.setattr(run_folder, "record", killed)
        with pytest.raises(KeyboardInterrupt):
            cross_validate.tell_folds(tmp_path / "cv", build({}), pairs_from_manifest(manifest).pairs, Plan(), 4)
    complaint = call(*words, "--folds", "2").complaint
    assert f"{tmp_path / 'cv'} holds fold-3, fold-4 of a cross-validation of more than 2 folds that never" in complaint
    assert run_folder.folds_in(tmp_path / "cv") == []
    assert not (tmp_path / "cv/fold-2").exists()


def test_controls_are_told_no_rule_that_ends_a_run(tmp_path):
    cross_validate.tell_controls(
        tmp_path, build({"stop_if": "qwk<0.4@13"}), [CardPair("a", tmp_path / "a.png", None, 9)]
    )
    assert [run_folder.told(folder)[0].stop_if for folder in tmp_path.glob("control-*")] == [""] * 2


@pytest.mark.slow
def test_controls_train_beside_a_model_and_never_grade(manifest, tmp_path):
    said = call(
        *("train", "--manifest", manifest, "--out", tmp_path / "run", "--recipe", "baseline", *settings(), "--controls")
    )
    assert said.code == 0, said.err
    controls = said.result["controls"]
    assert set(controls["background"]) >= {"qwk", "qwk_low", "qwk_high", "n", "model"}
    # These cards lie on plain ground in no slab: there is no label to look at.
    assert "no card is left for training" in controls["label"]["reason"]
    control = controls["background"]["model"]
    front = manifest.parent / "card-000_front.png"
    assert (
        "is a control that is shown the background and not the card alone"
        in call("grade", front, "--model", control).complaint
    )
    measured = call("evaluate", "--model", control, "--manifest", manifest, "--split", "val").result
    assert (measured["sees"], measured["confusion"]) == ("background", measured["confusion"])
    assert measured["qwk"] == pytest.approx(controls["background"]["qwk"])
    page = call("export", "report", "--model", said.result["model"]).result["path"]
    assert "background" in Path(page).read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_controls_of_a_run_that_its_own_rule_ends_are_trained_before_the_failure_is_told(manifest, tmp_path):
    out = tmp_path / "run"
    words = ("train", "--manifest", manifest, "--out", out, *settings(phase2_epochs=2, stop_if="qwk<1.1@1"))
    said = call(*words, "--controls")
    *_, last = said.err.splitlines()
    assert (said.code, said.out) == (2, "")
    assert last.startswith("loupe: epoch 1 fails the run by its rule qwk<1.1@1: qwk is ")
    assert (out / "control-background/model.pt").is_file()
    assert call("train", "--resume", out).err.splitlines()[-1] == last


def test_folds_and_controls_are_not_resumed_by_several_processes(tmp_path, monkeypatch):
    cards = [CardPair(f"{n}", tmp_path / f"{n}.png", None, 9, split="val" if n else "train") for n in range(2)]
    cross_validate.tell_folds(tmp_path / "folds", build({}), cards, Plan(), 2)
    run_folder.record(tmp_path / "controlled", build({}), cards)
    cross_validate.tell_controls(tmp_path / "controlled", build({}), cards)
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("folds", "controlled"):
        complaint = call("train", "--resume", tmp_path / name).complaint
        assert f"{name} holds folds or controls, runs of one process, one after another; resume it without" in complaint


def test_every_opening_of_the_test_split_is_counted_and_said(model, manifest, tmp_path):
    kept = Path(shutil.copytree(model.parent, tmp_path / "run")) / "model.pt"
    (tmp_path / "run" / "test_openings.jsonl").unlink(missing_ok=True)

    def opened(*split):
        said = call("evaluate", "--model", kept, "--manifest", manifest, *split)
        assert ("the test split is opened: 6 of its cards" in said.err) == (split != ("--split", "val"))
        return said.result["test_openings"]

    assert [opened("--split", "val"), opened("--split", "test"), opened(), opened("--split", "val")] == [0, 1, 2, 2]
    page = Path(call("export", "report", "--model", kept).result["path"]).read_text(encoding="utf-8")
    assert "the test split was opened 2 times" in page


@pytest.mark.slow
def test_runs_are_compared_seed_by_seed_and_losses_of_two_objectives_never(manifest, tmp_path):
    runs = {}
    for name, changed in {"a0": {}, "a1": {"seed": "1"}, "b0": {"loss": "ordinal"}}.items():
        out = tmp_path / name
        said = call("train", "--manifest", manifest, "--out", out, "--recipe", "baseline", *settings(**changed))
        assert said.code == 0, said.err
        runs[name] = said.result["model"]
    said = call("compare", runs["b0"], runs["a1"], "--with", tmp_path / "a0", "--with", runs["a1"])
    assert said.code == 0, said.err
    ordinal, itself = said.result["comparisons"]
    assert (ordinal["seeds"], itself["seeds"]) == ([0], [1])
    assert ordinal["changed"] == {"loss": {"reference": "ce_emd", "own": "ordinal"}}
    assert ordinal["delta_qwk"] == pytest.approx(ordinal["qwk"] - ordinal["reference_qwk"])
    assert ordinal["delta_val_loss"] is None
    assert "different units" in ordinal["val_loss_reason"]
    assert (itself["delta_qwk"], itself["delta_val_loss"]) == (0, 0)
    assert said.result["family"] == 2
    assert "share no seed" in call("compare", runs["b0"], "--with", runs["a1"]).complaint
    assert "there is no run at nowhere" in call("compare", "nowhere", "--with", runs["a1"]).complaint


def test_a_leaking_manifest_is_refused_naming_the_pair(manifest, tmp_path):
    rows = manifest.read_text(encoding="utf-8").splitlines()
    header, first = rows[0], rows[1]
    again = first.replace("card-000,", "twin,", 1).replace(",train,", ",val,")
    (tmp_path / "leak.csv").write_text("\n".join([header, first, again]) + "\n", encoding="utf-8")
    complaint = call("train", "--manifest", tmp_path / "leak.csv", "--out", tmp_path / "run", *settings()).complaint
    assert "cards 'card-000' (train) and 'twin' (val) show the same picture" in complaint
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.parametrize(
    ("words", "settled", "sentence"),
    [
        (("--folds", "3"), {}, "which is to judge this run (val)"),
        (("--controls",), {"back_encoder": "resnet34"}, "has back_encoder = 'resnet18' and this run 'resnet34'"),
        ((), {"pretrained": "modle.pt"}, "there is no such file; give another, starter or none"),
    ],
)
def test_a_beginning_that_does_not_fit_is_refused_before_anything_is_written(
    model, manifest, tmp_path, words, settled, sentence
):
    told = settings(**{"pretrained": model, "front_encoder": "resnet18", "back_encoder": "resnet18", **settled})
    assert sentence in call("train", "--manifest", manifest, "--out", tmp_path / "run", *words, *told).complaint
    assert list((tmp_path / "run").iterdir()) == []


def test_in_a_data_folder_a_beginning_that_does_not_fit_is_not_even_queued(model, manifest, tmp_path):
    data = ("--data", tmp_path / "data")
    call("import", manifest, *data)
    words = ("train", "--recipe", "baseline", *settings(pretrained=model), *data)
    assert "set front_encoder = resnet18" in call(*words).complaint
    assert "run 1" not in Path(call("export", "history", *data).result["path"]).read_text(encoding="utf-8")
