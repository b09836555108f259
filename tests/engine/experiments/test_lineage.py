"""Differences between a run and its parent, and their number, checked against the table of the recorded runs."""

import pytest
import torch

from engine.config import build, effective_with, fields
from engine.experiments.lineage import (
    bundle_warning,
    changes,
    count,
    describe,
    ineffective,
    same_objective,
)
from engine.model.dual_branch import Scores
from engine.model.heads import GRADE_HEADS
from engine.model.losses import Objective, class_weights
from engine.recipes import RECIPES, recipe_config


@pytest.mark.parametrize(
    ("recipe", "parent", "number"),
    [
        ("four_at_once", "baseline", 4),
        ("label_smoothing", "baseline", 1),
        ("focal", "baseline", 1),
        ("smoothing_capped", "label_smoothing", 1),
        ("baseline", "baseline", 0),
    ],
)
def test_recorded_recipes_differ_by_the_documented_number_of_changes(recipe, parent, number):
    changed = changes(recipe_config(recipe), recipe_config(parent))
    assert count(changed) == number
    assert (bundle_warning(changed, parent, "") is None) == (number < 2)
    assert bundle_warning(changed, parent, "all at once, to save time") is None


def test_device_seed_and_number_of_cards_are_no_change():
    assert changes(build({"device": "cpu", "seed": 7, "max_pairs": 100}), build({})) == {}


def test_a_change_of_scale_counts_as_one_change():
    smaller = {"image_size": 64, "phase2_epochs": 2, "front_encoder": "mobilenet_v2", "batch_size": 4}
    assert count(changes(build(smaller), build({}))) == 1
    assert count(changes(build({**smaller, "dropout": 0.0}), build({}))) == 2


def test_the_warning_names_the_changes_and_the_parent():
    warning = bundle_warning({"dropout": (0.25, 0.1), "lr_phase2": (3e-4, 1e-3)}, "run 3", "")
    assert warning.startswith("2 changes at once against run 3 (dropout = 0.1 (0.25), lr_phase2 = 0.001 (0.0003)")
    assert describe({}) == "nothing"


def loss_of(**settings):
    """Losses of four cards with measured edges and centering, if auxiliary targets are on."""
    config = build({"image_size": 64, **settings})
    torch.manual_seed(0)
    network = GRADE_HEADS[config.loss](8)
    scores = Scores(network(torch.randn(4, 8)), torch.randn(4), torch.rand(4, 2))
    measured = torch.rand(4, 3) if config.auxiliary_targets else torch.full((4, 3), torch.nan)
    objective = Objective(config, torch.tensor([1, 9, 1, 1, 1, 1, 1, 1, 1, 1]))
    return objective(scores, torch.eye(10)[[0, 1, 5, 9]], measured[:, 0], measured[:, 1:]).tolist()


@pytest.mark.parametrize(
    ("changed", "off", "on"),
    [
        ({"alpha_emd": 2.0}, {"loss": "ordinal"}, {"loss": "ce_emd"}),
        ({"class_weight_cap": 1.1}, {"class_weights": "none"}, {"class_weights": "balanced"}),
        ({"beta_edge": 3.0}, {"auxiliary_targets": False}, {"auxiliary_targets": True}),
        ({"beta_center": 3.0}, {"auxiliary_targets": False}, {"auxiliary_targets": True}),
    ],
)
def test_a_change_that_affects_no_loss_is_reported_as_ineffective(changed, off, on):
    assert loss_of(**off, **changed) == loss_of(**off)
    assert loss_of(**on, **changed) != loss_of(**on)
    (key,), (gate, value) = changed, next(iter(off.items()))
    assert ineffective(changed, build({**off, **changed})) == [f"{key} has no effect with {gate} = {value!r}"]
    assert ineffective(changed, build({**on, **changed})) == []


def test_conditional_settings_name_existing_settings_and_measurement_dropout_needs_use_measurements():
    conditions = [condition for key in fields() if (condition := effective_with(key))]
    assert {condition.setting for condition in conditions} <= fields().keys()
    assert (
        ineffective({"measurement_dropout": (0.0, 0.2)}, recipe_config("ordinal", {"measurement_dropout": 0.2})) != []
    )
    assert ineffective({"measurement_dropout": (0.2, 0.3)}, recipe_config("loupe", {"measurement_dropout": 0.3})) == []


def test_losses_are_comparable_only_with_the_same_objective():
    baseline = recipe_config("baseline")
    assert same_objective(baseline, recipe_config("baseline", {"dropout": 0.5, "seed": 3, "lr_phase2": 1e-3}))
    assert not same_objective(baseline, recipe_config("baseline", {"input_region": "background"}))
    for recipe in set(RECIPES) - {"baseline", "original", "over_regularised"}:
        assert not same_objective(baseline, recipe_config(recipe)), recipe


def test_losses_are_incomparable_if_the_number_of_cards_changes_the_class_weights():
    """Worked: with 2 cards of each of eight grades and 40 of the other two, a rare grade weighs 96 / (10 * 2); with 30
    cards each, filled up by synthetic wear, it weighs 320 / (10 * 30)."""
    for cards, weight in ((2, 4.8), (30, 320 / 300)):
        assert class_weights(torch.tensor([cards] * 8 + [40, 40]))[0].item() == pytest.approx(weight)
    for changed in ({"synthetic_wear_per_grade": 30}, {"max_pairs": 50}):
        for weighing, alike in (("balanced", False), ("none", True)):
            plain, variant = (build({"class_weights": weighing, **changes}) for changes in ({}, changed))
            assert same_objective(plain, variant) == same_objective(variant, plain) == alike
