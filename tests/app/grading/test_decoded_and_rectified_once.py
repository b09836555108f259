"""The whole way of a pair from files to report, pictures and line editor decodes and rectifies each picture once."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from PIL import Image

import engine.image.read
import engine.image.rectify
from app.grading.json_report import report
from app.grading.pictures import pictures_of, write_pictures
from app.screens.line_editor_sides import editor_states
from engine.image.rectify import TRADING
from engine.inference.card_side import CardSide
from engine.inference.grad_cam import SaliencyMaps, explain
from engine.inference.grade_card import SIDES, GradedCard, grade_card, grade_in_stages
from engine.inference.load_model import open_grader
from engine.inference.predict import predict
from engine.measure.centering.line_correction import LineCorrection
from tests.app.card_factory import PX_PER_MM, SIZE_MM, card_quad, inset, picture_of_card, side_of
from tests.card_factory import card_picture
from tests.engine.conftest import saved_model

CANVAS = (96, 64)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return open_grader(saved_model(tmp_path_factory.mktemp("model") / "model.pt", image_size="96x64"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for side in SIDES:
        Image.fromarray(card_picture(8, 3, side)).save(folder / f"{side}.png")
    return [folder / f"{side}.png" for side in SIDES]


@pytest.fixture
def decoded(monkeypatch) -> Counter[str]:
    """The number of times that each file is opened as a picture."""
    counts: Counter[str] = Counter()
    open_picture = engine.image.read._open_picture

    def count(path, *content):
        counts[path.name] += 1
        return open_picture(path, *content)

    monkeypatch.setattr(engine.image.read, "_open_picture", count)
    return counts


@pytest.fixture
def warped(monkeypatch) -> list[tuple[int, int]]:
    """The size of each result of a rectification."""
    sizes: list[tuple[int, int]] = []
    warp = engine.image.rectify._warp

    def count(rgb, quad, size, interpolation):
        sizes.append(size)
        return warp(rgb, quad, size, interpolation)

    monkeypatch.setattr(engine.image.rectify, "_warp", count)
    return sizes


def test_a_pair_is_decoded_once_and_rectified_once_for_each_scale(model, pair, data_home, decoded, warped, tmp_path):
    graded = grade_card(*pair, model)
    report(graded, write_pictures(graded, tmp_path / "out"))
    editor_states(graded.sides, data_home.data)
    assert decoded == {"front.png": 1, "back.png": 1}
    refined = [np.abs(side.measurements.flat.quad - side.detection.quad).max() > 1e-3 for side in graded.sides.values()]
    # On the small square that tells what is no card, at 8 px/mm, at 5 px/mm with its surroundings, on the network's
    # canvas, and at the picture's own scale: this again if the edges are off the quad.
    assert len(warped) == 5 * 2 + sum(refined)


def test_a_side_is_rectified_again_only_if_its_edges_are_off_the_quad(warped):
    for quad, times in ((card_quad(), 1), (card_quad() + 0.2 * PX_PER_MM, 2)):
        warped.clear()
        assert side_of(picture_of_card(3.5, 2.5, 3.0, 3.0), quad).measurements
        assert len(warped) == times


def test_a_line_correction_adds_no_rectification(warped, data_home):
    correction = LineCorrection(card_quad(), TRADING, inset(0, 0, 0, 0), inset(3, 3, 3, 3))
    side = side_of(picture_of_card(3.5, 2.5, 3.0, 3.0), card_quad() + 2.0 * PX_PER_MM, correction)
    editor_states({"front": side, "back": None}, data_home.data)
    assert side.centering.lr == pytest.approx(50)
    assert len(warped) == 1


def test_the_picture_to_drag_lines_in_and_the_measured_one_have_the_same_pixels():
    flat = side_of(picture_of_card(3.5, 2.5, 3.0, 3.0)).measurements.flat
    assert flat.wide_margin_mm == pytest.approx([8, 8], abs=1 / PX_PER_MM)
    added = np.rint((flat.wide_margin_mm - flat.margin_mm) * flat.px_per_mm).astype(int)
    height, width = flat.rgb.shape[:2]
    np.testing.assert_array_equal(flat.wide_rgb[added[1] :, added[0] :][:height, :width], flat.rgb)
    low, high = flat.raster_px(np.array([(0, 0), SIZE_MM]))
    inside = flat.rgb[round(low[1]) + 3 : round(high[1]) - 3, round(low[0]) + 3 : round(high[0]) - 3]
    assert np.abs(inside[0].astype(int) - (210, 180, 40)).mean() < 6, "the border begins at the card's edge"


def test_stages_end_with_the_card_that_grading_at_once_gives(model, pair):
    verdict, measured, explained = grade_in_stages(*pair, model)
    assert (verdict.ceiling, verdict.saliency, measured.saliency) == (None, None, None)
    at_once = grade_card(*pair, model)
    assert report(explained) == report(at_once)
    assert verdict.prediction.grade >= measured.prediction.grade == at_once.prediction.grade
    np.testing.assert_array_equal(explained.saliency.front, at_once.saliency.front)


def test_each_side_passes_its_encoder_once_for_grade_and_maps(model, pair):
    passes = []
    hooks = [
        side.encoder.register_forward_hook(lambda *_, side=side: passes.append(side))
        for side in (model.network.front, model.network.back)
    ]
    graded = grade_card(*pair, model)
    for hook in hooks:
        hook.remove()
    assert passes == [model.network.front, model.network.back]
    assert set(graded.maps) == {"hires_cam", "grad_cam", "layer_cam"}
    # The grade and the maps are those of passes of their own.
    np.testing.assert_allclose(predict(model, graded.inputs).probabilities, graded.prediction.probabilities, atol=1e-6)
    np.testing.assert_allclose(explain(model, graded.inputs).front, graded.saliency.front, atol=1e-5)


def test_the_first_stage_does_not_measure(model, pair, monkeypatch):
    monkeypatch.setattr(CardSide, "measurements", property(lambda side: pytest.fail("a side was measured")))
    assert next(grade_in_stages(*pair, model)).prediction.grade in range(1, 11)


def test_the_heat_map_has_the_place_on_the_card_that_it_has_on_the_network_s_canvas(model, pair):
    """A canvas of 96 x 64 is not the shape of the picture shown: a hot spot at a quarter of the card stays there."""
    graded = grade_card(*pair, model)
    front = graded.sides["front"]
    rows, columns = engine.image.rectify.canvas_window(front.detection.quad, front.rgb.shape[:2], CANVAS)
    saliency = np.zeros(CANVAS, np.float32)
    row = rows.start + (rows.stop - rows.start) // 4
    column = columns.start + (columns.stop - columns.start) // 4
    saliency[row - 2 : row + 2, column - 2 : column + 2] = 1
    hot = GradedCard(graded.sides, model=model, maps={"hires_cam": SaliencyMaps(saliency, None)})
    shown = pictures_of(hot, "front")
    color = np.ptp(shown["overlay"].astype(int), axis=2)
    at = np.argwhere(color > color.max() / 2).mean(axis=0) / color.shape
    assert at == pytest.approx([0.25, 0.25], abs=0.03)
    assert shown["overlay"].shape == shown["card"].shape
