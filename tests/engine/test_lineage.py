"""What differs from the parent, and whether it is one change, held against the history's own table of runs."""

import pytest
import torch

from engine.config import build
from engine.lineage import bundle_warning, changes, count, in_words, same_objective
from engine.losses import class_weights
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
def test_the_history_s_runs_differ_by_as_many_changes_as_its_table_says(recipe, parent, number):
    changed = changes(recipe_config(recipe), recipe_config(parent))
    assert count(changed) == number
    assert (bundle_warning(changed, parent, "") is None) == (number < 2)
    assert bundle_warning(changed, parent, "all at once, to save time") is None


def test_where_and_on_how_much_a_run_is_computed_is_no_change():
    assert changes(build({"device": "cpu", "seed": 7, "max_pairs": 100}), build({})) == {}


def test_a_try_at_another_scale_is_one_change():
    smaller = {"image_size": 64, "phase2_epochs": 2, "front_encoder": "mobilenet_v2", "batch_size": 4}
    assert count(changes(build(smaller), build({}))) == 1
    assert count(changes(build({**smaller, "dropout": 0.0}), build({}))) == 2


def test_the_warning_names_the_changes_and_the_parent():
    warned = bundle_warning({"dropout": (0.25, 0.1), "lr_phase2": (3e-4, 1e-3)}, "run 3", "")
    assert warned.startswith("2 changes at once against run 3 (dropout = 0.1 (0.25), lr_phase2 = 0.001 (0.0003)")
    assert in_words({}) == "nothing"


def test_losses_are_comparable_where_they_are_made_alike():
    baseline = recipe_config("baseline")
    assert same_objective(baseline, recipe_config("baseline", {"dropout": 0.5, "seed": 3, "lr_phase2": 1e-3}))
    assert not same_objective(baseline, recipe_config("baseline", {"seen": "background"}))
    for recipe in set(RECIPES) - {"baseline", "original", "over_regularised"}:
        assert not same_objective(baseline, recipe_config(recipe)), recipe


def test_losses_are_incomparable_where_more_or_fewer_cards_make_other_class_weights():
    """Worked: 2 cards of each of eight grades and 40 of the others weigh the rare 96 / (10 * 2) times; worn up to 30
    they weigh 320 / (10 * 30)."""
    for cards, weight in ((2, 4.8), (30, 320 / 300)):
        assert class_weights(torch.tensor([cards] * 8 + [40, 40]))[0].item() == pytest.approx(weight)
    for changed in ({"worn_up_to": 30}, {"max_pairs": 50}):
        for weighing, alike in (("balanced", False), ("none", True)):
            plain, other = (build({"class_weights": weighing, **more}) for more in ({}, changed))
            assert same_objective(plain, other) == same_objective(other, plain) == alike
