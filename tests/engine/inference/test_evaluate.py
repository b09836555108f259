"""Evaluation and prediction with a trained model: consistent with each other and with scikit-learn's metrics."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import accuracy_score, cohen_kappa_score, mean_absolute_error

from engine.cards.pairs import CardPair
from engine.config import Config
from engine.data.dataset import CardDataset
from engine.data.picture_cache import PixelCache
from engine.data.selection import NoCards, with_pictures
from engine.events import Notice, Progress
from engine.inference.card_side import open_side
from engine.inference.evaluate import BatchResult, evaluate, infer, predict_cards, summarize
from engine.inference.load_model import load_model
from engine.inference.predict import build_inputs, predict
from engine.model.losses import Objective
from engine.storage.checkpoint import BadModel, load, save
from tests.engine.conftest import saved_model


@pytest.fixture(scope="module", params=["ce_emd", "ordinal"])
def model(request, tmp_path_factory):
    return load_model(saved_model(tmp_path_factory.mktemp("model") / "model.pt", loss=request.param), "cpu")


def evaluation_events(model, pairs, prepared):
    return list(evaluate(model, pairs, prepared))


def batch_results(model, pairs, prepared):
    cache = PixelCache(prepared, [side for pair in pairs for side in (pair.front, pair.back) if side], 64)
    list(cache.fill())
    card_set = CardDataset(with_pictures(pairs, cache)[0], cache, model.config, training=False)
    objective = Objective(model.config, torch.ones(10, dtype=torch.int64))
    return card_set.cards, list(infer(model.network, objective, card_set, model.config, model.phase))


def test_the_metrics_are_those_of_scikit_learn_for_the_same_probabilities(model, cards, prepared):
    labelled_cards, results = batch_results(model, cards, prepared)
    metrics, loss, probabilities = summarize(labelled_cards, results)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    truth, predicted = [card.grade for card in labelled_cards], probabilities.argmax(1) + 1
    assert metrics["exact"] == pytest.approx(accuracy_score(truth, predicted))
    assert metrics["mae"] == pytest.approx(mean_absolute_error(truth, predicted))
    expected = cohen_kappa_score(truth, predicted, labels=range(1, 11), weights="quadratic")
    assert metrics["qwk"] == pytest.approx(expected)
    assert metrics["n"] == len(cards)
    assert loss == pytest.approx(np.concatenate([result.losses for result in results]).mean(), rel=1e-5)


def test_evaluate_yields_the_metrics_of_its_inference_last(model, cards, prepared):
    *events, metrics = evaluation_events(model, cards, prepared)
    expected = summarize(*batch_results(model, cards, prepared))[0]
    assert {name: metrics[name] for name in expected} == expected
    assert metrics["mae_low"] <= metrics["mae"] <= metrics["mae_high"]
    assert events[-1] == Progress("evaluation", 0, 14, 14)


@pytest.mark.slow
def test_test_time_augmentation_averages_the_views_and_no_view_drops_a_side(tmp_path, cards, prepared):
    model = load_model(
        saved_model(
            tmp_path / "model.pt", side_dropout=0.9, use_measurements=True, measurement_dropout=0.9, augment=False
        ),
        "cpu",
    )
    inputs = []
    network = model.network

    class RecordingNetwork(torch.nn.Module):
        def forward(self, front, back, present, regions, measured):
            inputs.append((front, back, present, measured))
            return network(front, back, present, regions, measured)

    *_, single = predict_cards(model, cards, prepared)
    *events, averaged = predict_cards(replace(model, onnx=RecordingNetwork()), cards, prepared, views=3)
    assert events[-1] == Progress("evaluation", 0, 3 * len(cards), 3 * len(cards))
    batches = len(inputs) // 3
    views = [
        list(map(torch.cat, zip(*inputs[first : first + batches], strict=True))) for first in (0, batches, 2 * batches)
    ]
    probabilities = []
    for front, back, present, measured in views:
        with torch.inference_mode():
            scores = network(front, back, present, None, measured)
        probabilities.append(network.grade.log_probabilities(scores.grade).double().softmax(dim=1).numpy())
    np.testing.assert_allclose(probabilities[0], single.probabilities, atol=1e-5)
    np.testing.assert_allclose(np.mean(probabilities, axis=0), averaged.probabilities, atol=1e-5)
    fronts = [view[0] for view in views]
    assert not torch.equal(fronts[0], fronts[1]) and not torch.equal(fronts[1], fronts[2])
    assert all(torch.equal(view[2], views[0][2]) for view in views)
    assert all(torch.equal(view[3], views[0][3]) for view in views)


def test_probabilities_come_in_the_order_of_the_cards_whatever_the_order_of_the_batches(cards):
    logits = torch.randn(4, 10, generator=torch.Generator().manual_seed(0)).log_softmax(1)
    order = [torch.tensor([2, 0]), torch.tensor([3, 1])]
    results = [BatchResult(index, logits[index], torch.ones(2)) for index in order]
    pairs = [card for card in cards if card.split == "val"]
    labelled_cards = [type("Labelled", (), {"grade": int(card.grade), "pair": card}) for card in pairs]
    np.testing.assert_allclose(
        summarize(labelled_cards, results)[2], softmax(logits.double().numpy(), axis=1), atol=1e-7
    )


def test_a_model_with_non_finite_losses_is_refused_naming_the_cards(cards, prepared, tmp_path):
    model = load_model(saved_model(tmp_path / "model.pt"), "cpu")
    with torch.no_grad():
        next(model.network.grade.parameters()).fill_(torch.nan)
    with pytest.raises(
        BadModel, match=r"^drawn: the loss on card 'train 0' and 13 more is not finite; train the model"
    ):
        evaluation_events(model, cards, prepared)


def test_a_single_card_is_not_graded_by_a_model_whose_outputs_are_not_finite(cards, tmp_path):
    """Its weights are finite, but the root of a negative variance is not."""
    path = saved_model(tmp_path / "model.pt")
    content = load(path)
    content["model"] = {
        name: torch.full_like(tensor, -1.0) if name.endswith("running_var") else tensor
        for name, tensor in content["model"].items()
    }
    save(path, content)
    model = load_model(path, "cpu")
    with pytest.raises(BadModel, match=r"^drawn: its probabilities for this card are not finite numbers: the model is"):
        predict(model, build_inputs(model, *(open_side(side) for side in (cards[0].front, cards[0].back))))


def test_a_card_that_cannot_be_evaluated_is_named(model, cards, prepared):
    unlabelled = CardPair("bare", cards[0].front, None)
    events = evaluation_events(model, [*cards, unlabelled], prepared)
    assert Notice("bare: left out: not labelled") in events
    assert events[-1]["n"] == len(cards)
    with pytest.raises(NoCards, match="there is no labelled card to evaluate on"):
        evaluation_events(model, [unlabelled], prepared)


def test_one_card_graded_alone_gets_the_same_probabilities_as_among_many(model, cards, prepared):
    labelled_cards, results = batch_results(model, cards, prepared)
    probabilities = summarize(labelled_cards, results)[2]
    for index in (0, 8, 9):
        pair = labelled_cards[index].pair
        inputs = build_inputs(model, *(side and open_side(side) for side in (pair.front, pair.back)))
        prediction = predict(model, inputs)
        np.testing.assert_allclose(prediction.probabilities, probabilities[index], atol=1e-5)
        assert prediction.grade == prediction.probabilities.argmax() + 1
        assert prediction.expected == pytest.approx(sum(k * p for k, p in enumerate(prediction.probabilities, 1)))


def test_a_model_of_phase_one_ignores_the_front(tmp_path, cards):
    model = load_model(saved_model(tmp_path / "model.pt", phase=1), "cpu")
    front, other_front, back = (open_side(path) for path in (cards[0].front, cards[1].front, cards[0].back))
    prediction, other_prediction = (
        predict(model, build_inputs(model, picture, back)) for picture in (front, other_front)
    )
    np.testing.assert_array_equal(prediction.probabilities, other_prediction.probabilities)


@pytest.mark.parametrize(
    ("sides", "fixed", "changed"), [((True, False), "front", "back"), ((False, True), "back", "front")]
)
def test_a_side_that_was_never_trained_on_is_ignored(tmp_path, cards, sides, fixed, changed):
    model = load_model(saved_model(tmp_path / "model.pt", sides=sides), "cpu")

    def probabilities(card):
        pictures = {fixed: open_side(getattr(cards[0], fixed)), changed: open_side(getattr(card, changed))}
        return predict(model, build_inputs(model, **pictures)).probabilities

    expected = predict(
        model, build_inputs(model, **{fixed: open_side(getattr(cards[0], fixed)), changed: None})
    ).probabilities
    for card in cards[:2]:
        np.testing.assert_array_equal(probabilities(card), expected)


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


def test_a_file_without_calibration_loads_and_gives_uncalibrated_probabilities(tmp_path, cards):
    path = saved_model(tmp_path / "old.pt")
    assert "calibration" not in torch.load(path, weights_only=True)
    model = load_model(path, "cpu")
    assert model.calibration is None
    inputs = build_inputs(model, open_side(cards[0].front), None)
    with torch.inference_mode():
        expected = softmax(model.network(*inputs).grade.double().numpy(), axis=1)[0]
    prediction = predict(model, inputs)
    np.testing.assert_allclose(prediction.probabilities, expected, atol=1e-6)
    assert expected[prediction.interval.low - 1 : prediction.interval.high].sum() >= 0.9 - 1e-9


def test_an_invalid_calibration_is_refused_with_its_file(tmp_path):
    path = saved_model(tmp_path / "model.pt")
    save(path, {**torch.load(path, weights_only=True), "calibration": {"temperature": 2.0}})
    with pytest.raises(BadModel, match="does not fit this version"):
        load_model(path, "cpu")


def test_the_settings_of_a_model_are_a_config(tmp_path):
    assert isinstance(load_model(saved_model(tmp_path / "model.pt"), "cpu").config, Config)
