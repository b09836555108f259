"""A trained model measured and used: one answer whichever way it is asked, and scikit-learn's figures for it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import accuracy_score, cohen_kappa_score, mean_absolute_error

from engine.cards.pairs import CardPair
from engine.config import Config
from engine.data.dataset import Cards
from engine.data.picture_cache import PixelCache
from engine.data.selection import NoCards, usable
from engine.events import Notice, Progress
from engine.inference.evaluate import Outcome, evaluate, figures, infer, predictions_of
from engine.inference.loaded_model import load_model
from engine.inference.predict import inputs_of, look, predict
from engine.model.losses import Objective
from engine.storage.checkpoint import BadModel, save
from tests.engine.conftest import saved_model


@pytest.fixture(scope="module", params=["ce_emd", "ordinal"])
def model(request, tmp_path_factory):
    return load_model(saved_model(tmp_path_factory.mktemp("model") / "model.pt", loss=request.param), "cpu")


def measured(model, pairs, prepared):
    return list(evaluate(model, pairs, prepared))


def outcomes_of(model, pairs, prepared):
    cache = PixelCache(prepared, [side for pair in pairs for side in (pair.front, pair.back) if side], 64)
    list(cache.fill())
    cards = Cards(usable(pairs, cache)[0], cache, model.config, training=False)
    objective = Objective(model.config, torch.ones(10, dtype=torch.int64))
    return cards.cards, list(infer(model.network, objective, cards, model.config, model.phase))


def test_the_figures_are_scikit_learn_s_for_the_probabilities_given(model, cards, prepared):
    kept, outcomes = outcomes_of(model, cards, prepared)
    metrics, loss, probabilities = figures(kept, outcomes)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    truth, predicted = [card.grade for card in kept], probabilities.argmax(1) + 1
    assert metrics["exact"] == pytest.approx(accuracy_score(truth, predicted))
    assert metrics["mae"] == pytest.approx(mean_absolute_error(truth, predicted))
    expected = cohen_kappa_score(truth, predicted, labels=range(1, 11), weights="quadratic")
    assert metrics["qwk"] == pytest.approx(expected)
    assert metrics["n"] == len(cards)
    assert loss == pytest.approx(np.concatenate([outcome.losses for outcome in outcomes]).mean(), rel=1e-5)


def test_evaluating_gives_the_figures_of_its_own_inference_last(model, cards, prepared):
    *on_the_way, metrics = measured(model, cards, prepared)
    expected = figures(*outcomes_of(model, cards, prepared))[0]
    assert {name: metrics[name] for name in expected} == expected
    assert metrics["mae_low"] <= metrics["mae"] <= metrics["mae_high"]
    assert on_the_way[-1] == Progress("evaluation", 0, 14, 14)


def test_several_views_count_by_their_mean_and_no_view_loses_a_side(tmp_path, cards, prepared):
    model = load_model(
        saved_model(tmp_path / "model.pt", side_dropout=0.9, measured_inputs=True, measured_dropout=0.9, augment=False),
        "cpu",
    )
    seen = []
    reader = model.network

    class Watched(torch.nn.Module):
        def forward(self, front, back, present, regions, measured):
            seen.append((front, back, present, measured))
            return reader(front, back, present, regions, measured)

    *_, once = predictions_of(model, cards, prepared)
    *on_the_way, thrice = predictions_of(replace(model, reader=Watched()), cards, prepared, views=3)
    assert on_the_way[-1] == Progress("evaluation", 0, 3 * len(cards), 3 * len(cards))
    batches = len(seen) // 3
    views = [
        list(map(torch.cat, zip(*seen[first : first + batches], strict=True))) for first in (0, batches, 2 * batches)
    ]
    each = []
    for front, back, present, measured in views:
        with torch.inference_mode():
            scores = reader(front, back, present, None, measured)
        each.append(reader.grade.log_probabilities(scores.grade).double().softmax(dim=1).numpy())
    np.testing.assert_allclose(each[0], once.probabilities, atol=1e-5)
    np.testing.assert_allclose(np.mean(each, axis=0), thrice.probabilities, atol=1e-5)
    fronts = [view[0] for view in views]
    assert not torch.equal(fronts[0], fronts[1]) and not torch.equal(fronts[1], fronts[2])
    assert all(torch.equal(view[2], views[0][2]) for view in views)
    assert all(torch.equal(view[3], views[0][3]) for view in views)


def test_probabilities_come_in_the_order_of_the_cards_whatever_the_order_of_the_batches(cards):
    logits = torch.randn(4, 10, generator=torch.Generator().manual_seed(0)).log_softmax(1)
    order = [torch.tensor([2, 0]), torch.tensor([3, 1])]
    outcomes = [Outcome(index, logits[index], torch.ones(2)) for index in order]
    kept = [card for card in cards if card.split == "val"]
    from_pairs = [type("Kept", (), {"grade": int(card.grade), "pair": card}) for card in kept]
    np.testing.assert_allclose(figures(from_pairs, outcomes)[2], softmax(logits.double().numpy(), axis=1), atol=1e-7)


def test_a_model_whose_answers_are_no_numbers_is_refused_naming_the_cards(cards, prepared, tmp_path):
    model = load_model(saved_model(tmp_path / "model.pt"), "cpu")
    with torch.no_grad():
        next(model.network.grade.parameters()).fill_(torch.nan)
    with pytest.raises(BadModel, match=r"^drawn: its loss on card 'train 0' and 13 more is no number; train it again"):
        measured(model, cards, prepared)


def test_what_cannot_be_measured_is_told_card_by_card(model, cards, prepared):
    unlabelled = CardPair("bare", cards[0].front, None)
    events = measured(model, [*cards, unlabelled], prepared)
    assert Notice("bare: left out: not labelled") in events
    assert events[-1]["n"] == len(cards)
    with pytest.raises(NoCards, match="there is no labelled card to evaluate on"):
        measured(model, [unlabelled], prepared)


def test_one_card_graded_alone_gets_what_it_gets_among_many(model, cards, prepared):
    kept, outcomes = outcomes_of(model, cards, prepared)
    probabilities = figures(kept, outcomes)[2]
    for number in (0, 8, 9):
        pair = kept[number].pair
        inputs = inputs_of(model, *(side and look(side) for side in (pair.front, pair.back)))
        prediction = predict(model, inputs)
        np.testing.assert_allclose(prediction.probabilities, probabilities[number], atol=1e-5)
        assert prediction.grade == prediction.probabilities.argmax() + 1
        assert prediction.expected == pytest.approx(sum(k * p for k, p in enumerate(prediction.probabilities, 1)))


def test_a_model_of_phase_one_does_not_look_at_the_front(tmp_path, cards):
    model = load_model(saved_model(tmp_path / "model.pt", phase=1), "cpu")
    front, other, back = (look(path) for path in (cards[0].front, cards[1].front, cards[0].back))
    one, two = (predict(model, inputs_of(model, view, back)) for view in (front, other))
    np.testing.assert_array_equal(one.probabilities, two.probabilities)


@pytest.mark.parametrize(
    ("sides", "fixed", "changed"), [((True, False), "front", "back"), ((False, True), "back", "front")]
)
def test_a_side_that_was_never_learned_from_is_not_looked_at(tmp_path, cards, sides, fixed, changed):
    model = load_model(saved_model(tmp_path / "model.pt", sides=sides), "cpu")

    def said(card):
        views = {fixed: look(getattr(cards[0], fixed)), changed: look(getattr(card, changed))}
        return predict(model, inputs_of(model, **views)).probabilities

    alone = predict(model, inputs_of(model, **{fixed: look(getattr(cards[0], fixed)), changed: None})).probabilities
    for card in cards[:2]:
        np.testing.assert_array_equal(said(card), alone)


def test_a_model_file_comes_back_as_it_was_saved(tmp_path):
    path = saved_model(tmp_path / "model.pt", seed=4)
    model, written = load_model(path, "cpu"), torch.load(path, weights_only=True)
    assert not model.network.training
    assert (model.name, model.phase, model.trained_on) == ("drawn", 2, "nothing")
    for key, tensor in model.network.state_dict().items():
        assert torch.equal(tensor, written["model"][key])


@pytest.mark.parametrize(
    "without",
    ["config", "model", "phase", "sides", "name", "trained_on", "a layer", "a known setting", "settings at all"],
)
def test_a_file_that_does_not_fit_is_refused_in_one_sentence(tmp_path, without):
    path = saved_model(tmp_path / "model.pt")
    content = torch.load(path, weights_only=True)
    if without == "a layer":
        del content["model"]["edge.weight"]
    elif without == "a known setting":
        content["config"]["of_a_later_version"] = 1
    elif without == "settings at all":
        content["config"] = None
    else:
        del content[without]
    save(path, content)
    with pytest.raises(BadModel) as refusal:
        load_model(path, "cpu")
    assert str(refusal.value).startswith(f"{path}: does not fit this version of Loupe")
    assert "\n" not in str(refusal.value)


def test_a_file_from_before_there_was_a_calibration_loads_and_says_what_its_network_says(tmp_path, cards):
    path = saved_model(tmp_path / "old.pt")
    assert "calibration" not in torch.load(path, weights_only=True)
    model = load_model(path, "cpu")
    assert model.calibration is None
    inputs = inputs_of(model, look(cards[0].front), None)
    with torch.inference_mode():
        wanted = softmax(model.network(*inputs).grade.double().numpy(), axis=1)[0]
    said = predict(model, inputs)
    np.testing.assert_allclose(said.probabilities, wanted, atol=1e-6)
    assert wanted[said.interval.low - 1 : said.interval.high].sum() >= 0.9 - 1e-9


def test_a_calibration_that_is_none_is_refused_with_its_file(tmp_path):
    path = saved_model(tmp_path / "model.pt")
    save(path, {**torch.load(path, weights_only=True), "calibration": {"temperature": 2.0}})
    with pytest.raises(BadModel, match="does not fit this version"):
        load_model(path, "cpu")


def test_the_settings_of_a_model_are_a_config(tmp_path):
    assert isinstance(load_model(saved_model(tmp_path / "model.pt"), "cpu").config, Config)
