"""Settings: parsed from text, checked, refused in one sentence, and read from older versions."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from engine.config import (
    RENAMED_SETTINGS,
    BadConfig,
    Config,
    build,
    choices,
    difference,
    fields,
    from_saved,
    parse_settings,
)

# The flat keys of the contract with scripts (design.md).
PROMISED = """
front_encoder back_encoder image_size batch_size phase1_epochs phase2_epochs lr_phase1 lr_phase2 dropout
weight_decay alpha_emd beta_edge beta_center label_smoothing mixup_alpha class_weights class_weight_cap sampler_eta
fusion_weight loss schedule pretrained seed device
"""


def test_every_documented_key_exists_with_a_help_sentence():
    assert {*PROMISED.split()} <= set(fields())
    for key, field in fields().items():
        assert field.description, key
        assert field.description.endswith("."), key


@pytest.mark.parametrize(
    ("setting", "key", "value"),
    [
        ("image_size=96", "image_size", 96),
        ("image_size=352x256", "image_size", "352x256"),
        ("image_size=96x96", "image_size", 96),
        ("lr_phase2 = 1e-4", "lr_phase2", 1e-4),
        ("augment=false", "augment", False),
        ("pretrained=/a=b.pth", "pretrained", "/a=b.pth"),
        ("front_encoder=resnet50", "front_encoder", "resnet50"),
    ],
)
def test_a_setting_is_parsed_to_its_key_s_type(setting, key, value):
    assert getattr(build(parse_settings([setting])), key) == value


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"image_size": "100"},
            "image_size = '100' is not allowed: each side must be a multiple of 32 from 64 to 1024",
        ),
        ({"image_size": "32"}, "image_size = '32' is not allowed: each side must be a multiple of 32 from 64 to 1024"),
        ({"image_size": "352x250"}, "image_size = '352x250' is not allowed: each side must be a multiple of 32"),
        ({"image_size": "large"}, "image_size = 'large' is not allowed: give one number for a square, or HEIGHTxWIDTH"),
        ({"dropout": 1}, "dropout = 1 is not allowed: input should be less than 1"),
        ({"lr_phase2": "nan"}, "lr_phase2 = 'nan' is not allowed: input should be less than or equal to 1"),
        (
            {"weight_decay": float("nan")},
            "weight_decay = nan is not allowed: input should be less than or equal to 1",
        ),
        ({"batch_size": "many"}, "batch_size = 'many' is not allowed: input should be a valid integer"),
        ({"loss": "hinge"}, "loss = 'hinge' is not allowed: input should be 'ce_emd' or 'ordinal'"),
        ({"learning_rate": 1}, "'learning_rate' is not a setting; the settings are front_encoder, back_encoder"),
        (
            {"phase2_epochs": 5, "stop_if": "qwk<0.4@6"},
            "stop_if = 'qwk<0.4@6' is never reached: the run ends at epoch 5",
        ),
        ({"phase1_epochs": 0, "phase2_epochs": 0}, "phase1_epochs and phase2_epochs are both 0; give at least one"),
    ],
)
def test_a_bad_setting_is_refused_with_one_message_naming_key_and_value(changes, complaint):
    with pytest.raises(BadConfig) as refusal:
        build(changes)
    assert str(refusal.value).startswith(complaint)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("setting", ["dropout", "", "dropuot=0.1"])
def test_a_setting_without_a_value_or_of_an_unknown_key_is_refused(setting):
    with pytest.raises(BadConfig):
        parse_settings([setting])


def test_a_config_cannot_be_changed():
    with pytest.raises(ValidationError):
        Config().dropout = 0.5


def test_a_config_survives_its_own_json():
    config = build({"lr_phase2": 1e-4, "pretrained": "imagenet", "seed": 7})
    assert Config.model_validate_json(config.model_dump_json()) == config


def test_choices_lists_the_allowed_values_of_a_key():
    assert choices("front_encoder") == (
        "resnet18",
        "resnet34",
        "resnet50",
        "mobilenet_v2",
        "efficientnet_lite0",
        "efficientnet_lite2",
    )
    assert choices("device") == ("auto", "cpu", "cuda")
    assert choices("dropout") == choices("augment") == choices("pretrained") == ()


def test_the_difference_has_the_old_and_the_new_value_of_each_change():
    assert difference(Config(dropout=0.1), Config(dropout=0.4)) == {"dropout": (0.4, 0.1)}
    assert difference(Config(), Config()) == {}


def test_a_control_cannot_use_synthetic_wear():
    with pytest.raises(
        BadConfig, match="synthetic_wear_per_grade requires input_region = card, but input_region is label"
    ):
        build({"input_region": "label", "synthetic_wear_per_grade": 5})
    assert build({"input_region": "label"}).input_region == "label"


def test_teacher_paths_are_stored_as_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = build({"teachers": "one.csv, sub/other.csv"})
    monkeypatch.chdir("/")
    assert build(config.model_dump()).teachers == f"{tmp_path / 'one.csv'},{tmp_path / 'sub' / 'other.csv'}"
    assert build({}).teachers == ""


def test_pretrained_paths_become_absolute_and_names_are_unchanged(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert build({"pretrained": "model.pt"}).pretrained == str(tmp_path / "model.pt")
    assert build({"pretrained": "~/model.pt"}).pretrained == str(Path.home() / "model.pt")
    for name in ("none", "starter", "imagenet"):
        assert build({"pretrained": name}).pretrained == name
    assert build({"pretrained": " "}).pretrained == "none"


def test_settings_saved_by_an_earlier_version_have_the_same_meaning():
    saved = {
        **Config().model_dump(exclude=set(RENAMED_SETTINGS.values())),
        "seen": "card",
        "teachers_share": 0.25,
        "worn_up_to": 30,
        "measured_inputs": True,
        "measured_dropout": 0.2,
        "measured_targets": False,
    }
    expected = build(
        {
            "teacher_weight": 0.25,
            "synthetic_wear_per_grade": 30,
            "use_measurements": True,
            "measurement_dropout": 0.2,
            "auxiliary_targets": False,
        }
    )
    assert from_saved(saved) == from_saved(expected.model_dump()) == expected
    assert from_saved({"seen": "label"}).input_region == "label"


def test_a_removed_setting_is_ignored_if_it_was_off_and_a_run_that_used_it_is_not_resumed():
    assert Config.model_validate({"soft_label_width": 0.0, "dropout": 0.1}) == Config(dropout=0.1)
    assert from_saved({"soft_label_width": 0.5, "dropout": 0.1}) == Config(dropout=0.1), "a model opens"
    with pytest.raises(ValidationError):
        Config.model_validate({"soft_label_width": 0.5})


def test_every_renamed_setting_has_a_current_name():
    assert set(RENAMED_SETTINGS.values()) <= set(fields())
    assert not set(RENAMED_SETTINGS) & set(fields())


@pytest.mark.parametrize(("old", "new"), RENAMED_SETTINGS.items())
def test_an_old_name_given_by_the_user_is_refused_naming_the_new_one(old, new):
    sentence = f"the setting '{old}' is now called '{new}'; use the new name"
    with pytest.raises(BadConfig, match=sentence):
        parse_settings([f"{old}=1"])
    with pytest.raises(BadConfig, match=sentence):
        build({old: 1})


@pytest.mark.parametrize(("image_size", "shape"), [(224, (224, 224)), ("352x256", (352, 256)), ("64X96", (64, 96))])
def test_the_canvas_has_the_height_and_width_of_the_image_size(image_size, shape):
    assert build({"image_size": image_size}).canvas_shape == shape
