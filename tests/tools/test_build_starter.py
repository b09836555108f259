"""Building the starter end to end at a small size, and the limits in its card."""

import json
from dataclasses import replace

import pytest

from engine.inference.load_model import load_model
from engine.inference.model_card import FILE_NAME, ModelCard
from engine.starter import MODEL
from tests.commands import call
from tools.build_starter import MAX_MODEL_BYTES, CannotBuild, CardSet, StarterPlan, build, real_limits
from tools.real_cards import SMALL_PX_PER_MM, THUMBNAIL_PX_PER_MM

TINY = StarterPlan(
    real=None,
    recipe="loupe",
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
    first_build = (work / "starter-train.json").stat().st_mtime_ns, (out / "model.pt").read_bytes()
    assert build(TINY, work, out) == card
    assert ((work / "starter-train.json").stat().st_mtime_ns, (out / "model.pt").read_bytes()) == first_build
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
    pair, elsewhere = card.measured[0].figures, card.measured[3].figures
    assert card.limits == real_limits({"calibrations": {"pair": pair}, "without-pairs": elsewhere})
    assert f"{pair['exact']:.0%} of its grades are right" in card.limits[0]
    assert f"{elsewhere['within_one']:.0%} of these cards within one grade" in card.limits[1]
    assert f"it did for {pair['coverage']:.0%} of these cards" in card.limits[2]


def test_the_shipped_starter_knows_its_training_cards_its_strata_and_its_domain():
    model = load_model(MODEL, "cpu")
    # The pairs in three ways, the sealed pairs, the small fronts and the thumbnails.
    assert len(model.out_of_fold) > 3 * 256 + 40 + 600
    assert {(stratum.sides, stratum.max_px_per_mm) for stratum in model.calibration.strata} == {
        ("front", None),
        ("back", None),
        ("front", SMALL_PX_PER_MM),
        ("front", THUMBNAIL_PX_PER_MM),
    }
    assert all(model.domains)
    assert MODEL.stat().st_size <= MAX_MODEL_BYTES


def test_a_work_folder_of_another_plan_is_refused(tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps({"recipe": "other"}), encoding="utf-8")
    with pytest.raises(SystemExit, match="filled by another plan"):
        build(TINY, tmp_path, tmp_path / "out")


def test_pretrained_weights_are_refused(tmp_path):
    with pytest.raises(CannotBuild, match="simulated cards alone"):
        build(replace(TINY, settings={"pretrained": "imagenet"}), tmp_path / "work", tmp_path / "out")
    assert not (tmp_path / "work").exists()
