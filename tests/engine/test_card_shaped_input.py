"""Networks with a card-shaped input: the same card in a square and in 96 x 64 pixels, from training to Grad-CAM."""

import numpy as np
import pytest
import torch

from engine.events import EpochDone
from engine.image.rectify import canvas_window, card_canvas
from engine.inference.card_side import open_side
from engine.inference.evaluate import evaluate
from engine.inference.grad_cam import explain, overlay
from engine.inference.load_model import load_model
from engine.inference.onnx_export import SIDE_COMBINATIONS, TOLERANCE, OnnxSession, export, random_inputs
from engine.inference.predict import build_inputs, predict
from engine.model.attention import rim_mask
from tests.engine.conftest import EFFICIENTNET_LITE, saved_model
from tests.engine.training_helpers import config, events_of, run

SIZE = "96x64"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """EfficientNet-Lite on both sides, with region crops; the run below has MobileNet."""
    assert EFFICIENTNET_LITE["image_size"] == SIZE
    path = saved_model(tmp_path_factory.mktemp("model") / "model.pt", loss="ordinal", **EFFICIENTNET_LITE)
    return load_model(path, "cpu")


def upright_card(width, height):
    """Quad of a card of that size in a picture 500 x 400 pixels, (height, width)."""
    return np.array([(20, 30), (20 + width, 30), (20 + width, 30 + height), (20, 30 + height)], np.float64)


def test_a_card_of_nearly_the_shape_of_the_canvas_fills_it_so_that_its_edges_are_the_canvas_s():
    # 256 / 352 is 1.6 % wider than 63 / 88.
    quad = upright_card(252, 352)
    rows, columns = canvas_window(quad, (500, 400), (352, 256))
    assert (rows, columns) == (slice(0, 352), slice(0, 256))
    canvas = card_canvas(np.full((500, 400, 3), 200, np.uint8), quad, size=(352, 256))
    assert canvas.shape == (352, 256, 3)
    assert (canvas == 200).all()


@pytest.mark.parametrize(
    ("width", "height", "shape"),
    [(220, 352, (352, 220)), (300, 215, (183, 256))],
    ids=["narrow", "sideways"],
)
def test_a_card_of_another_shape_keeps_its_aspect(width, height, shape):
    rows, columns = canvas_window(upright_card(width, height), (500, 400), (352, 256))
    assert (rows.stop - rows.start, columns.stop - columns.start) == pytest.approx(shape, abs=1)


@pytest.mark.parametrize("size", [64, 224, 448])
def test_a_square_given_by_its_side_or_by_height_and_width_is_the_same(size):
    random = np.random.default_rng(size)
    picture = random.integers(0, 256, (300, 260, 3), dtype=np.uint8)
    quad = np.array([(20, 30), (200, 25), (210, 270), (15, 280)], np.float64)
    np.testing.assert_array_equal(card_canvas(picture, quad, size=size), card_canvas(picture, quad, size=(size, size)))


def test_the_rim_of_a_card_shaped_map_is_its_outer_ring():
    mask = rim_mask(11, 8)[0, 0]
    assert mask[1:-1, 1:-1].sum() == 0
    assert mask.sum() == 2 * 8 + 2 * 9


@pytest.mark.slow
def test_a_card_is_graded_and_explained_on_both_sides(model, cards):
    pictures = [open_side(side) for side in (cards[0].front, cards[0].back)]
    inputs = build_inputs(model, *pictures)
    assert (inputs.front.shape, inputs.back.shape) == ((1, 6, 96, 64), (1, 6, 96, 64))
    assert inputs.regions.shape == (1, 2, 8, 3, 9216)
    prediction = predict(model, inputs)
    assert prediction.probabilities.sum() == pytest.approx(1)
    saliency = explain(model, inputs)
    assert not saliency.is_blank
    for picture, side_map in zip(pictures, (saliency.front, saliency.back), strict=True):
        assert side_map.shape == (96, 64)
        assert overlay(picture.canvas((96, 64)), side_map).shape == (96, 64, 3)


@pytest.mark.slow
def test_a_run_trains_and_its_model_evaluates_to_the_metrics_of_its_epoch(cards, tmp_path):
    events = run(config(image_size=SIZE, phase1_epochs=0, phase2_epochs=1), cards, tmp_path / "run", tmp_path / "cache")
    (epoch,) = events_of(EpochDone, events)
    model = load_model(tmp_path / "run" / "model.pt", "cpu")
    assert model.config.canvas_shape == (96, 64)
    *_, metrics = evaluate(model, [pair for pair in cards if pair.split == "val"], tmp_path / "cache")
    assert (metrics["qwk"], metrics["n"]) == (pytest.approx(epoch.all_metrics["qwk"]), 4)


@pytest.mark.long
def test_its_onnx_graph_computes_what_torch_computes(model, tmp_path):
    export(model, tmp_path / "model.onnx")
    inputs = random_inputs(model, SIDE_COMBINATIONS)
    outputs = OnnxSession(tmp_path / "model.onnx")(inputs)
    with torch.inference_mode():
        expected = model.network.grade.log_probabilities(model.network(*inputs).grade).exp()
    np.testing.assert_allclose(np.exp(outputs["log_probabilities"]), expected, atol=TOLERANCE)
