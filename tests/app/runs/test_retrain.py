"""Changes since the model in use was trained, and the settings of the run that learns it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.models.named_model import usable_model_in_use
from app.runs.plan_input import PlanInput, build_plan, undeclared_bundle_warning
from app.runs.retrain import label_changes, preset_choices, retrain_base, retrain_text
from db import runs
from engine.config import build
from engine.recipes import recipe_config
from tests.app.model_desk import card


@pytest.fixture
def trained_on_all(desk):
    """A model in use of a run that was trained on all cards but two; returns its desk."""
    run_id = desk.run_with(b"1: in use", trained_on=desk.pairs[2:])
    with desk.home.database.writing() as session:
        config = recipe_config("baseline", {"dropout": 0.1, "stop_if": "qwk<0.4@40"})
        runs.get(session, run_id=run_id).recipe = "baseline"
        runs.get(session, run_id=run_id).config = config.model_dump()
    desk.promote(run_id, "the first")
    return desk


def in_use(desk):
    return usable_model_in_use(desk.home.database, desk.home.data)


def base_of(desk):
    return retrain_base(desk.home.database, in_use(desk), desk.pairs)


def text_of(desk):
    return retrain_text(in_use(desk), base_of(desk), desk.pairs)


def test_new_corrected_and_withdrawn_labels_have_changed(trained_on_all):
    desk = trained_on_all
    assert label_changes(in_use(desk), desk.pairs).changed == 2, "two are new"
    corrected = [*desk.pairs[:5], replace(desk.pairs[5], grade=desk.pairs[5].grade % 10 + 1), *desk.pairs[7:]]
    assert label_changes(in_use(desk), corrected).changed == 4, "one is corrected and one withdrawn"


def test_a_low_grade_counts_as_low_whether_it_was_or_is_low(trained_on_all):
    desk = trained_on_all
    desk.pairs = desk.pairs[2:]
    low, high = (next(p for p in desk.pairs if (p.grade <= 3) == is_low) for is_low in (True, False))
    changed = {low.card_id: replace(low, grade=10.0), high.card_id: replace(high, grade=2.0)}
    desk.pairs = [changed.get(pair.card_id, pair) for pair in desk.pairs]
    assert "2 labels changed since run 1, in use, was trained (2 of grade 3 and below)" in text_of(desk)
    changed[high.card_id] = replace(high, grade=high.grade % 10 + 1 if high.grade < 10 else 9.0)
    desk.pairs = [changed.get(pair.card_id, pair) for pair in desk.pairs]
    assert "(1 of grade 3 and below)" in text_of(desk)


def test_nothing_changed_is_said(trained_on_all):
    trained_on_all.pairs = trained_on_all.pairs[2:]
    assert "No label has changed since run 1" in text_of(trained_on_all)


def test_a_retraining_continues_the_model_in_use_with_its_settings(trained_on_all):
    base = base_of(trained_on_all)
    config = base.config("standard")
    assert config.pretrained == str(in_use(trained_on_all).path)
    assert (config.dropout, config.stop_if, config.phase2_epochs) == (0.1, "", 20)
    plan = build_plan(PlanInput(parent=base.parent), config, base.recipe, trained_on_all.home.database)
    assert undeclared_bundle_warning(plan) is None, "weights and epochs are one change of scale"
    assert base.config("quick").max_pairs == 300
    assert base.config("best").phase2_epochs > config.phase2_epochs


def test_without_a_model_the_default_recipe_begins_from_nothing(desk):
    base = base_of(desk)
    assert base.config("standard") == build(recipe_config("loupe").model_dump())
    assert "150 labels to learn from" in text_of(desk)
    assert [name for _, name in preset_choices(base)] == ["quick", "standard", "best"]


def test_the_starter_is_continued_unless_it_has_learned_from_cards_that_judge(desk, starter_model, monkeypatch):
    pictures = {card(number).front_sha256 for number in range(100)}
    monkeypatch.setattr("app.runs.retrain.starter_pictures", lambda: pictures)
    desk.pairs = [card(number, "train" if number < 100 else "val") for number in range(150)]
    assert base_of(desk).config("standard").pretrained == "starter"
    assert "50 labels that the starter, in use, has not learned" in text_of(desk)
    desk.pairs[0] = card(0, "test")
    base = base_of(desk)
    assert base.config("standard").pretrained == "none"
    assert "the starter has learned from 1 card that would judge it" in text_of(desk)
