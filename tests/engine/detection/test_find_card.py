"""Card detection on drawn pictures with known corners, on marked real pictures, and on pictures to refuse."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy.card_detection import (
    cluttered_samples,
    corner_error,
    error_in,
    is_refused,
    noise_scene,
    simulated_samples,
)
from benchmarks.harness import REAL_PICTURES
from engine.detection.find_card import find_card, find_cropped_card, has_card_aspect, picture_bounds
from engine.image.detection import NoCard
from engine.image.read import read_picture
from engine.simulate.cards import CardSimulator, SimulationConfig
from engine.simulate.print.pictures import draw_noise_card, draw_picture
from tests.card_factory import card_picture, card_quad

CARDS, PER_KIND = 10, 16
MARKS = json.loads(Path(__file__).with_name("marked_corners.json").read_text(encoding="utf-8"))
needs_real_pictures = pytest.mark.skipif(
    not REAL_PICTURES.is_dir(), reason=f"{REAL_PICTURES} is absent: card detection is NOT tested on real pictures"
)


# Regression limits at today's accuracy; `python -m benchmarks find` compares it with the targets.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "long_side", "within", "min_fraction"),
    [
        ("scan", None, 0.01, 0.5),
        ("photo", None, 0.01, 0.5),
        ("sleeve", None, 0.01, 0.5),
        ("slab", None, 0.015, 0.5),
        ("slab", 200, 0.03, 0.5),
    ],
)
def test_corners_of_simulated_cards_are_found(kind, long_side, within, min_fraction):
    errors = [error_in(rgb, quad) for rgb, quad in simulated_samples(5, kind, CARDS, long_side=long_side)]
    assert np.mean(np.array(errors) <= within) >= min_fraction


@pytest.mark.slow
def test_corners_of_noise_cards_in_clutter_are_found():
    errors = [error_in(rgb, quad) for rgb, quad in cluttered_samples(np.random.default_rng(5), "photo", 800, 2 * CARDS)]
    assert np.mean(np.array(errors) <= 0.01) >= 0.3


@pytest.mark.slow
@needs_real_pictures
def test_corners_marked_by_eye_in_real_scans_and_photos_are_found():
    flat = {name: mark for name, mark in MARKS.items() if mark["kind"] != "slab"}
    errors = {name: error_in(read_picture(REAL_PICTURES / name), np.array(mark["quad"])) for name, mark in flat.items()}
    assert np.median(list(errors.values())) <= 0.005
    assert np.mean(np.array(list(errors.values())) <= 0.01) >= 0.6, errors


@pytest.mark.slow
@needs_real_pictures
def test_corners_marked_by_eye_in_small_real_slabs_are_found():
    slabs = {name: mark for name, mark in MARKS.items() if mark["kind"] == "slab"}
    errors = [error_in(read_picture(REAL_PICTURES / name), np.array(mark["quad"])) for name, mark in slabs.items()]
    assert np.mean(np.array(errors) <= 0.03) >= 0.65


@needs_real_pictures
def test_a_real_picture_of_many_cards_is_refused():
    with pytest.raises(NoCard, match="more than one card; photograph each card by itself"):
        find_card(read_picture(REAL_PICTURES / "real" / "not_one_card" / "lands_and_fatties.jpg"))


def test_a_picture_already_cropped_to_the_card_is_a_scan_with_its_own_bounds():
    cards = cropped_cards(seed=3)
    errors = np.array([error_in(rgb, picture_bounds(rgb.shape[:2])) for rgb in cards])
    assert np.mean(errors < 0.005) >= 0.75
    detections = [find_card(rgb) for rgb, error in zip(cards, errors, strict=True) if np.isfinite(error)]
    assert all(detection.kind == "scan" and detection.whole_picture for detection in detections)


def cropped_cards(seed):
    """Pictures of simulated cards cropped to their edges, fronts and backs."""
    simulator = CardSimulator(SimulationConfig(seed=seed, mix="uniform", height=600))
    return [face.rgb for index in range(PER_KIND // 2) for face in simulator.faces(3 * index)]


def inside_edges(rgb, fraction):
    """The picture without that fraction of its height at each border."""
    cut = round(fraction * rgb.shape[0])
    return rgb[cut : rgb.shape[0] - cut, cut : rgb.shape[1] - cut]


def test_a_picture_cropped_slightly_inside_the_card_s_edges_is_the_card():
    cards = [inside_edges(rgb, 0.015) for rgb in cropped_cards(seed=11)]
    upright = [rgb for rgb in cards if abs(rgb.shape[1] / rgb.shape[0] * 88 / 63 - 1) < 0.05]
    assert len(upright) >= 8
    detections = [detection_in(rgb) for rgb in upright]
    assert sum(detection is None for detection in detections) <= 1
    for rgb, detection in zip(upright, detections, strict=True):
        if detection is not None and detection.whole_picture:
            assert corner_error(detection.quad, picture_bounds(rgb.shape[:2])) == 0


def detection_in(rgb):
    """As `read_and_find` detects: the card in the picture, or the picture cropped to the card, or None."""
    try:
        return find_card(rgb)
    except NoCard:
        return find_cropped_card(rgb)


def test_what_is_no_card_is_none_cropped_to_its_edges_either():
    random = np.random.default_rng(12)
    noise = random.integers(0, 256, (880, 630, 3), dtype=np.uint8)
    even = np.full((880, 630, 3), 128, np.uint8)
    cards = [draw_noise_card(random, 440, 315) for _ in range(2)]
    side_by_side = np.hstack([cards[0], np.full((440, 20, 3), 230, np.uint8), cards[1]])
    square = draw_noise_card(random, 500, 500)
    for picture in (noise, even, side_by_side, square):
        assert find_cropped_card(picture) is None


@pytest.mark.slow
def test_a_card_with_a_margin_is_found_by_its_edge_even_if_the_picture_has_a_card_s_aspect():
    simulator = CardSimulator(SimulationConfig(seed=31, mix="uniform", kinds=(("scan", 1.0),), height=600))
    sides = [side for index in range(PER_KIND) for side in (simulator.card(index).front, simulator.card(index).back)]
    errors = []
    for side in sides:
        height = min(side.rgb.shape[0], round(side.rgb.shape[1] * 88 / 63))
        width = round(height * 63 / 88)
        top, left = (side.rgb.shape[0] - height) // 2, (side.rgb.shape[1] - width) // 2
        crop = side.rgb[top : top + height, left : left + width]
        truth = side.quad - (left, top)
        assert has_card_aspect(crop)
        if truth.min() > 4 and (np.array(crop.shape[1::-1]) - truth.max(axis=0)).min() > 4:
            errors.append(error_in(crop, truth))
    assert len(errors) >= PER_KIND
    assert np.mean(np.array(errors) < 0.01) >= 0.75


def test_an_upright_card_on_a_uniform_background_is_found_by_its_edge():
    pictures = [card_picture(8, seed, side) for seed in range(8) for side in ("front", "back")]
    errors = [error_in(rgb, card_quad()) for rgb in pictures]
    assert np.mean(np.array(errors) <= 0.005) >= 0.9


def test_scenery_textures_and_noise_are_refused_with_the_remedy():
    random = np.random.default_rng(4)
    plain = [np.full((400, 300, 3), 128, np.uint8), random.integers(0, 256, (400, 300, 3), dtype=np.uint8)]
    for rgb in plain:
        with pytest.raises(NoCard, match=r"lay|photograph|step back"):
            find_card(rgb)
    scenery = [draw_picture(random, 400, 300) for _ in range(PER_KIND)]
    assert np.mean([is_refused(rgb) for rgb in scenery]) >= 0.9


@pytest.mark.slow
def test_several_cards_are_refused():
    random = np.random.default_rng(6)
    many = [noise_scene(random, "photo", "many", 600).rgb for _ in range(PER_KIND)]
    assert np.mean([is_refused(rgb) for rgb in many]) >= 0.7


def test_every_thread_finds_the_same():
    pictures = [rgb for rgb, _ in simulated_samples(7, "slab", 4, long_side=200)]
    sequential = [error_in(rgb, picture_bounds(rgb.shape[:2])) for rgb in pictures]
    with ThreadPoolExecutor(4) as threads:
        parallel = list(threads.map(lambda rgb: error_in(rgb, picture_bounds(rgb.shape[:2])), pictures))
    assert parallel == sequential
