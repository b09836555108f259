"""The starter is made by one command, at any size; what it makes grades, and says what it learned from."""

import json
from dataclasses import replace

import pytest

from engine.inference.model_card import FILE, Card
from engine.starter import MODEL
from tests.commands import call
from tools.build_starter import CannotMake, Cards, Plan, limits, make

TINY = Plan(
    training=Cards(pairs=24, seed=1, height=300),
    calibration=Cards(pairs=27, seed=3, height=300),
    fresh=Cards(pairs=8, seed=2, height=300),
    coarse=Cards(pairs=8, seed=2, height=200),
    settings={
        "front_encoder": "resnet18",
        "back_encoder": "resnet18",
        "image_size": 64,
        "batch_size": 6,
        "phase2_epochs": 1,
        "measured_targets": False,
    },
)


@pytest.mark.slow
def test_the_starter_is_made_end_to_end_and_a_second_call_does_nothing_again(tmp_path, monkeypatch):
    monkeypatch.setattr("tools.build_starter.FRONTS", tmp_path / "absent")
    work, out = tmp_path / "work", tmp_path / "starter"
    card = make(TINY, work, out)
    assert sorted(path.name for path in out.iterdir()) == ["card.json", "model.pt"]
    assert (out / "model.pt").stat().st_size < 34e6
    assert card.measured[0].figures["n"] == 8
    assert "24 pairs drawn by simulate --mix uniform --noise 0 --seed 1" in card.data[0]
    assert "27 pairs drawn by simulate --mix uniform --noise 0 --seed 3" in card.data[1]
    assert card.measured[0].figures["calibration"]["cards"] == 27
    assert card.changes == TINY.settings
    assert f"the true grade of {card.measured[0].figures['coverage']:.0%} (" in card.limits[-1]
    assert "real fronts" not in " ".join(card.limits)
    made = (work / "train.json").stat().st_mtime_ns, (out / "model.pt").read_bytes()
    assert make(TINY, work, out) == card
    assert ((work / "train.json").stat().st_mtime_ns, (out / "model.pt").read_bytes()) == made
    assert str(tmp_path) not in (out / "card.json").read_text(encoding="utf-8")

    monkeypatch.setattr("engine.starter.MODEL", out / "model.pt")
    fresh = work / "fresh" / "labels.csv"
    said = call("grade", "--batch", fresh, "--data", tmp_path / "new")
    graded = [each for each in said.result if each.get("grade")]
    assert graded, said.result
    for each in graded:
        assert each["model"]["sha256"] == card.sha256
        assert each["model"]["trained_on"].startswith("simulated cards: ")
        assert "the model has learned from simulated cards alone" in each["reasons"]


def test_the_limits_that_ship_are_those_of_the_figures_that_ship():
    card = Card.model_validate_json(MODEL.with_name(FILE).read_bytes())
    said = [each.figures for each in card.measured]
    assert card.limits == limits(dict(zip(("evaluate", "fronts", "small", "real"), said, strict=False)))
    coverage = [
        f"{each['coverage']:.0%} ({each['coverage_low']:.0%} to {each['coverage_high']:.0%})" for each in said[:4]
    ]
    assert [each in card.limits[-1] for each in coverage] == [True] * 4


def test_a_folder_of_another_plan_is_not_gone_on_with(tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps({"recipe": "other"}), encoding="utf-8")
    with pytest.raises(SystemExit, match="filled by another plan"):
        make(TINY, tmp_path, tmp_path / "out")


def test_weights_that_others_have_trained_are_refused(tmp_path):
    with pytest.raises(CannotMake, match="simulated cards alone"):
        make(replace(TINY, settings={"pretrained": "imagenet"}), tmp_path / "work", tmp_path / "out")
    assert not (tmp_path / "work").exists()
