"""A model replaces the one in use only if it is shown to be as good on cards that neither has learned from."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from app.models import compare_models, promotion
from app.models.comparison_text import refusal_reasons
from app.models.model_registry import model_path
from app.models.named_model import model_of_name
from app.settings import UserError
from engine.evaluation.paired_models import Obstacle
from engine.experiments import run_folder
from engine.inference.out_of_fold import OutOfFold
from tests.app.model_desk import card


def test_a_weak_model_needs_a_reason_a_better_one_passes_and_a_worse_one_is_refused(desk):
    weak, better, worse = (desk.run_with(content) for content in (b"9: weak", b"1: better", b"4: worse"))
    with pytest.raises(promotion.PromotionRefused, match="no better than chance"):
        desk.promote(weak)
    assert desk.in_use is None
    desk.promote(weak, " to begin\nwith ")
    assert (desk.in_use, desk.last.reason, desk.last.author) == ("run 1", "to begin with", "ann")
    assert desk.promote(better, "because").passes
    assert (desk.in_use, desk.last.reason) == ("run 2", ""), "what passes needs no reason"
    with pytest.raises(promotion.PromotionRefused, match=r"worse than the model in use: QWK 0\.\d+ → 0\.\d+"):
        desk.promote(worse)
    assert desk.in_use == "run 2"
    assert desk.last.comparison["differences"]["qwk"]["delta"] > 0.3


def test_an_uncalibrated_model_is_refused_however_good_it_is(desk):
    desk.promote(desk.run_with(b"3: first"))
    run_id = desk.run_with(b"0: perfect")
    desk.calibrated[b"0: perfect"] = False
    with pytest.raises(promotion.PromotionRefused, match="ranges were never checked"):
        desk.promote(run_id)


def test_cards_that_either_model_has_learned_from_judge_neither(desk):
    desk.promote(desk.run_with(b"2: first", trained_on=[card(number, "train") for number in range(20)]))
    second = desk.run_with(b"1: second", trained_on=[card(number, "train") for number in range(10, 30)])
    comparison = desk.promote(second)
    assert (comparison.learned, comparison.cards) == (30, 120)
    assert desk.asked[b"1: second"] == desk.asked[b"2: first"] == [f"c{number}" for number in range(30, 150)]


def test_the_whole_group_of_a_learned_card_is_left_out(desk):
    desk.promote(desk.run_with(b"2: first"))
    desk.pairs = [card(0, group="same"), card(1, group="same"), *desk.pairs[2:]]
    desk.promote(desk.run_with(b"1: second", trained_on=[card(0, "train")]))
    assert desk.asked[b"1: second"] == [f"c{number}" for number in range(2, 150)]


def test_the_test_split_is_never_opened(desk):
    desk.pairs = [card(number, "test" if number < 50 else "train") for number in range(150)]
    desk.promote(desk.run_with(b"1: first"))
    assert desk.asked[b"1: first"] == [f"c{number}" for number in range(50, 150)]


def test_a_model_that_has_learned_from_all_cards_is_refused_for_want_of_cards(desk):
    desk.promote(desk.run_with(b"2: first"))
    run_id = desk.run_with(b"0: by heart", trained_on=[card(number, "train") for number in range(150)])
    with pytest.raises(promotion.PromotionRefused, match="Only 0 cards can judge it"):
        desk.promote(run_id)


def test_a_file_of_unknown_training_cards_is_refused(desk, tmp_path):
    desk.promote(desk.run_with(b"2: first"))
    (tmp_path / "found.pt").write_bytes(b"0: found")
    with pytest.raises(promotion.PromotionRefused, match="trained on is not known"):
        desk.promote(tmp_path / "found.pt")
    desk.promote(tmp_path / "found.pt", "from a friend")
    assert model_path("current", desk.home.data) == tmp_path / "found.pt"


def test_the_starter_s_out_of_fold_answers_count_and_its_other_training_pictures_do_not(desk, starter_model):
    known = [card(number) for number in range(60)]
    keys = {(pair.front_sha256, None): np.full(10, 0.1) for pair in known[:50]}
    keys |= {(pair.front_sha256, "f" * 64): np.full(10, 0.1) for pair in known[50:]}  # with a back that is gone
    desk.out_of_fold[b"2: starter"] = OutOfFold(keys)
    comparison = desk.promote(desk.run_with(b"1: second"))
    assert comparison.reference.name == "starter"
    assert desk.asked[b"2: starter"] == [f"c{number}" for number in (*range(50), *range(60, 150))]


def test_a_run_begun_from_the_starter_is_not_judged_by_the_starter_s_cards(desk, starter_model, monkeypatch):
    pictures = {card(number).front_sha256 for number in range(60)}
    monkeypatch.setattr("app.models.named_model.starter_pictures", lambda: pictures)
    comparison = desk.promote(desk.run_with(b"1: second", pretrained="starter"))
    assert comparison.learned == 60


def test_two_rollbacks_go_back_by_two_models_and_then_to_the_starter(desk, starter_model):
    for content in (b"2: one", b"1: two", b"0: three"):
        desk.promote(desk.run_with(content), "a try")
    assert [desk.rolls_back() for _ in range(3)] == ["run 2", "run 1", "starter"]
    assert (desk.in_use, desk.last.is_rollback, desk.last.author) == ("starter", True, "bob")
    with pytest.raises(UserError, match="no other model was in use before"):
        desk.rolls_back()
    assert desk.rolls_back(to=2) == "run 2"
    assert desk.rolls_back(to=0) == "starter"
    assert model_path(None, desk.home.data) == starter_model


def test_a_later_starter_takes_the_place_of_the_promoted_one(desk, starter_model):
    desk.promote(desk.run_with(b"1: one"))
    desk.rolls_back()
    starter_model.write_bytes(b"1: the next version's")
    assert model_path("current", desk.home.data) == starter_model


def test_rolling_back_to_a_file_that_is_gone_or_to_an_unknown_number_is_refused(desk):
    for content in (b"2: one", b"1: two"):
        desk.promote(desk.run_with(content))
    Path(promotion.history(desk.home.database)[1].model_path).unlink()
    with pytest.raises(UserError, match="is gone or has changed"):
        desk.rolls_back()
    with pytest.raises(UserError, match="no model was promoted as number 9"):
        desk.rolls_back(to=9)
    assert desk.in_use == "run 2"


def test_the_promoted_model_stays_when_its_run_writes_a_better_one(desk):
    run_id = desk.run_with(b"2: epoch 1")
    desk.promote(run_id)
    (desk.home.data.run_folder(run_id) / run_folder.MODEL).write_bytes(b"1: epoch 2, better")
    assert model_path(None, desk.home.data).read_bytes() == b"2: epoch 1"
    assert desk.last.sha256 == hashlib.sha256(b"2: epoch 1").hexdigest()
    desk.promote(run_id)
    assert model_path(None, desk.home.data).read_bytes() == b"1: epoch 2, better"


def test_a_model_that_changes_while_it_is_compared_is_not_promoted(desk):
    run_id = desk.run_with(b"1: epoch 1")
    events = promotion.promote(desk.home.database, desk.home.data, str(run_id), reason="", author="ann")
    next(events)
    (desk.home.data.run_folder(run_id) / run_folder.MODEL).write_bytes(b"1: epoch 2 now")
    with pytest.raises(UserError, match="changed while it was compared"):
        list(events)
    assert desk.in_use is None


def test_a_model_promoted_meanwhile_is_not_replaced_unseen(desk):
    first, second = desk.run_with(b"1: one"), desk.run_with(b"2: another")
    events = promotion.promote(desk.home.database, desk.home.data, str(first), reason="", author="ann")
    next(events)
    desk.promote(second)
    with pytest.raises(UserError, match="another model was promoted while this one was compared"):
        list(events)
    assert desk.in_use == "run 2"


def test_what_is_no_model_or_in_use_already_is_refused(desk):
    run_id = desk.run_with(b"1: one")
    desk.promote(run_id)
    for name, message in (
        (run_id, "in use already"),
        ("99", "there is no run 99"),
        ("9" * 30, "there is no run 9"),
        ("nowhere.pt", "there is no model at nowhere.pt"),
        ("starter", "ships no starter"),
    ):
        with pytest.raises(UserError, match=message):
            desk.promote(name, "please")
    (desk.home.data.run_folder(run_id) / run_folder.MODEL).unlink()
    with pytest.raises(UserError, match="no model yet"):
        model_of_name(desk.home.database, desk.home.data, str(run_id))


def test_a_promoted_model_that_is_gone_or_has_changed_is_reported(desk):
    desk.promote(desk.run_with(b"1: one"))
    path = model_path("current", desk.home.data)
    path.write_bytes(b"1: damaged")
    with pytest.raises(UserError, match="has changed or is damaged since it was chosen; choose a model"):
        model_path("current", desk.home.data)
    path.unlink()
    with pytest.raises(UserError, match="is gone; choose another"):
        model_path(None, desk.home.data)
    desk.promote(desk.run_with(b"2: another"))
    assert desk.in_use == "run 2", "another takes the place of one that is gone"


def test_every_obstacle_has_a_sentence(desk):
    desk.promote(desk.run_with(b"2: first"))
    reference = model_of_name(desk.home.database, desk.home.data, "current")
    candidate = model_of_name(desk.home.database, desk.home.data, str(desk.run_with(b"2: second one")))
    *_, comparison = compare_models.compare_models(desk.home.database, desk.home.data, candidate, reference)
    for obstacle in get_args(Obstacle):
        [sentence] = refusal_reasons(replace(comparison, obstacles=(obstacle,)))
        assert sentence[0].isupper()
        assert sentence.endswith(".")
