"""Building the starter end to end at a small size, and the limits in its card."""

import json
from dataclasses import replace

import pytest

from engine.inference.model_card import FILE_NAME, ModelCard
from engine.starter import MODEL
from tests.commands import call
from tools.build_starter import CannotBuild, CardSet, StarterPlan, build, limits

TINY = StarterPlan(
    training=CardSet(pairs=24, seed=1, height=300),
    calibration=CardSet(pairs=27, seed=3, height=300),
    fresh=CardSet(pairs=8, seed=2, height=300),
    coarse=CardSet(pairs=8, seed=2, height=200),
    settings={
        "front_encoder": "resnet18",
        "back_encoder": "resnet18",
        "image_size": 64,
        "batch_size": 6,
        "phase2_epochs": 1,
        "auxiliary_targets": False,
    },
)


@pytest.mark.long
def test_the_starter_is_built_end_to_end_and_a_second_call_repeats_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("tools.build_starter.FRONTS", tmp_path / "absent")
    work, out = tmp_path / "work", tmp_path / "starter"
    card = build(TINY, work, out)
    assert sorted(path.name for path in out.iterdir()) == ["card.json", "model.pt"]
    assert (out / "model.pt").stat().st_size < 34e6
    assert card.measured[0].figures["n"] == 8
    assert "24 pairs drawn by simulate --mix uniform --noise 0 --seed 1" in card.data[0]
    assert "27 pairs drawn by simulate --mix uniform --noise 0 --seed 3" in card.data[1]
    assert card.measured[0].figures["calibration"]["cards"] == 27
    assert card.changes == TINY.settings
    assert f"the true grade of {card.measured[0].figures['coverage']:.0%} (" in card.limits[-1]
    assert "real fronts" not in " ".join(card.limits)
    first_build = (work / "train.json").stat().st_mtime_ns, (out / "model.pt").read_bytes()
    assert build(TINY, work, out) == card
    assert ((work / "train.json").stat().st_mtime_ns, (out / "model.pt").read_bytes()) == first_build
    assert str(tmp_path) not in (out / "card.json").read_text(encoding="utf-8")

    monkeypatch.setattr("engine.starter.MODEL", out / "model.pt")
    fresh = work / "fresh" / "labels.csv"
    outcome = call("grade", "--batch", fresh, "--data", tmp_path / "new")
    graded = [result for result in outcome.result if result.get("grade")]
    assert graded, outcome.result
    for result in graded:
        assert result["model"]["sha256"] == card.sha256
        assert result["model"]["trained_on"].startswith("simulated cards: ")
        assert "the model was trained only on simulated cards" in result["reasons"]


def test_the_limits_in_the_shipped_card_match_its_figures():
    card = ModelCard.model_validate_json(MODEL.with_name(FILE_NAME).read_bytes())
    figures = [item.figures for item in card.measured]
    assert card.limits == limits(dict(zip(("evaluate", "fronts", "small", "real"), figures, strict=False)))
    coverage = [
        f"{item['coverage']:.0%} ({item['coverage_low']:.0%} to {item['coverage_high']:.0%})" for item in figures[:4]
    ]
    assert [text in card.limits[-1] for text in coverage] == [True] * 4


def test_a_work_folder_of_another_plan_is_refused(tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps({"recipe": "other"}), encoding="utf-8")
    with pytest.raises(SystemExit, match="filled by another plan"):
        build(TINY, tmp_path, tmp_path / "out")


def test_pretrained_weights_are_refused(tmp_path):
    with pytest.raises(CannotBuild, match="simulated cards alone"):
        build(replace(TINY, settings={"pretrained": "imagenet"}), tmp_path / "work", tmp_path / "out")
    assert not (tmp_path / "work").exists()
