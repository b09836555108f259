"""Settings form: every config key has a widget, and no widget changes its value."""

import asyncio

import gradio as gr
import pytest

from app.screens import settings_form
from engine import config
from engine.recipes import RECIPES, recipe_config


@pytest.fixture(scope="module")
def widgets():
    async def draw():
        with gr.Blocks(analytics_enabled=False):
            return settings_form.draw()

    # In an event loop that is closed afterwards; Gradio would create its own and leave it open.
    return asyncio.run(draw())


def test_the_form_shows_every_key_of_the_config_once(widgets):
    assert sorted(settings_form.names()) == sorted(config.Config.model_fields)
    assert [widget.elem_id for widget in widgets] == [f"set-{name}" for name in settings_form.names()]
    assert len({widget.label for widget in widgets}) == len(widgets)


def test_every_widget_explains_its_key(widgets):
    for name, widget in zip(settings_form.names(), widgets, strict=True):
        assert widget.info.startswith(f"{name}: ")
        assert len(widget.info) > len(f"{name}: ")


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_passes_through_the_form_unchanged(widgets, recipe):
    expected = recipe_config(recipe)
    values = settings_form.values(expected)
    through_the_page = [
        widget.preprocess(widget.postprocess(value)) for widget, value in zip(widgets, values, strict=True)
    ]
    assert settings_form.read(through_the_page) == expected


def test_an_empty_field_is_named():
    values = settings_form.values(config.Config())
    values[settings_form.names().index("dropout")] = None
    with pytest.raises(config.BadConfig, match="dropout is empty"):
        settings_form.read(values)


def test_an_out_of_range_setting_is_named_with_its_value():
    values = settings_form.values(config.Config())
    values[settings_form.names().index("image_size")] = 100
    with pytest.raises(config.BadConfig, match="image_size = 100 is not allowed"):
        settings_form.read(values)


def test_the_pretrained_widget_is_found_among_the_form_s_widgets(widgets):
    assert settings_form.pretrained(widgets).elem_id == "set-pretrained"


def test_starting_weights_are_the_named_ones_then_the_models_and_no_other_path(widgets):
    offered = settings_form.starting_weights([("Run 2: loupe", "/runs/2/model.pt")])["choices"]
    assert [value for _, value in offered] == ["none", "starter", "imagenet", "/runs/2/model.pt"]
    assert offered[3][0] == "Run 2: loupe"
    assert not settings_form.pretrained(widgets).allow_custom_value
