"""The named recipes against the table of the recorded runs."""

import pytest

from engine.config import BadConfig, Config, difference
from engine.recipes import DEFAULT, RECIPES, recipe, recipe_config

# The recorded runs: encoders front/back, epochs of phase 1/2, rate, dropout, weight decay, EMD, smoothing, mixup, class
# weights. "unlimited" weights are balanced without a cap; the ordinal run has neither EMD nor weights.
TABLE = """
original          34/34  10/30  3e-4  .10  1e-4  .7  0   0   unlimited
over_regularised  18/18  10/30  1e-4  .40  5e-4  .7  0   0   unlimited
baseline          18/34  0/50   3e-4  .25  2e-4  .7  0   0   unlimited
four_at_once      18/34  0/50   3e-4  .25  2e-4  .4  .1  .3  10
label_smoothing   18/34  0/50   3e-4  .25  2e-4  .7  .1  0   unlimited
ordinal           18/34  0/50   3e-4  .25  2e-4  -   0   0   none
smoothing_capped  18/34  0/50   3e-4  .25  2e-4  .7  .1  0   10
smoothing_emd_05  18/34  0/50   3e-4  .25  2e-4  .5  .1  0   unlimited
smoothing_15      18/34  0/50   3e-4  .25  2e-4  .7  .15 0   unlimited
focal             18/34  0/50   3e-4  .25  2e-4  .7  0   0   unlimited
"""
ROWS = [line.split() for line in TABLE.strip().splitlines()]
COMMON = {
    "beta_edge": 0.05,
    "beta_center": 0.1,
    "fusion_weight": 0.7,
    "schedule": "plateau",
    "sampler_eta": 0.0,
    "pretrained": "none",
    "image_size": 224,
    "side_dropout": 0.0,
}
# Parent of each recipe, and the settings that may differ from it.
PARENTS = {
    "original": (None, set()),
    "over_regularised": (
        "original",
        {"front_encoder", "back_encoder", "lr_phase1", "lr_phase2", "dropout", "weight_decay"},
    ),
    "baseline": (
        "over_regularised",
        {"back_encoder", "phase1_epochs", "phase2_epochs", "lr_phase1", "lr_phase2", "dropout", "weight_decay"},
    ),
    "four_at_once": ("baseline", {"alpha_emd", "label_smoothing", "mixup_alpha", "class_weight_cap"}),
    "label_smoothing": ("baseline", {"label_smoothing"}),
    "ordinal": ("baseline", {"loss", "class_weights"}),
    "smoothing_capped": ("label_smoothing", {"class_weight_cap"}),
    "smoothing_emd_05": ("label_smoothing", {"alpha_emd"}),
    "smoothing_15": ("label_smoothing", {"label_smoothing"}),
    "focal": ("baseline", {"focal_gamma"}),
    "loupe": (
        "ordinal",
        {"use_measurements", "measurement_dropout", "auxiliary_targets", "schedule", "side_dropout"},
    ),
    "photographs": (
        "ordinal",
        {
            *("front_encoder", "back_encoder", "pretrained", "image_size", "channels", "attention", "frozen_layers"),
            *("vary_photograph", "auxiliary_targets", "side_dropout", "dropout", "weight_decay", "ema_decay"),
            *("schedule", "phase2_epochs", "precision", "cached_views", "lr_phase2"),
            *("use_measurements", "measurement_dropout", "pixel_dropout", "feature_stage", "pooling"),
        },
    ),
}


def expected(row):
    _, encoders, epochs, rate, dropout, decay, emd, smoothing, mixup, weights = row
    front, back = encoders.split("/")
    phase1, phase2 = epochs.split("/")
    keys = {
        "front_encoder": f"resnet{front}",
        "back_encoder": f"resnet{back}",
        "phase1_epochs": int(phase1),
        "phase2_epochs": int(phase2),
        "lr_phase1": float(rate),
        "lr_phase2": float(rate),
        "dropout": float(dropout),
        "weight_decay": float(decay),
        "label_smoothing": float(smoothing),
        "mixup_alpha": float(mixup),
        "class_weights": "none" if weights == "none" else "balanced",
        "class_weight_cap": float(weights) if weights.isdigit() else 0.0,
        "loss": "ordinal" if emd == "-" else "ce_emd",
        "focal_gamma": 2.0 if row[0] == "focal" else 0.0,
        **COMMON,
    }
    return keys if emd == "-" else {**keys, "alpha_emd": float(emd)}


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_recorded_run_matches_the_table(row):
    config = recipe_config(row[0]).model_dump()
    assert {key: config[key] for key in expected(row)} == expected(row)


def test_every_recipe_has_a_row_in_the_table_or_is_new():
    assert {*RECIPES} == {row[0] for row in ROWS} | {"loupe", "photographs"} == {*PARENTS}
    assert DEFAULT == "loupe"


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_states_its_parent_and_differs_from_it_in_nothing_else(name):
    parent, keys = PARENTS[name]
    assert recipe(name).parent == parent
    if parent:
        assert {*difference(recipe_config(name), recipe_config(parent))} == keys == {*recipe(name).changes}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_has_a_sentence_of_description(name):
    assert recipe(name).name == name
    assert recipe(name).tests.endswith((".", "?"))


def test_changes_override_the_recipe():
    config = recipe_config("ordinal", {"dropout": "0.5"})
    assert difference(config, recipe_config("ordinal")) == {"dropout": (0.25, 0.5)}
    assert isinstance(config, Config)


def test_an_unknown_recipe_is_refused_naming_the_known_ones():
    with pytest.raises(BadConfig, match="there is no recipe 'best'; the recipes are original, over_regularised"):
        recipe_config("best")
