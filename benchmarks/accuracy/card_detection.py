"""Accuracy of card detection in simulated captures with known corners, and in real pictures marked by hand.

The error is the distance of the worst corner from the truth as a fraction of the card's height, for any corner order.
"""

from __future__ import annotations

import json

import cv2
import numpy as np
from numpy.random import Generator

from benchmarks.harness import REAL_PICTURES, ROOT, Row
from engine.detection.find_card import find_card
from engine.image.detection import NoCard
from engine.image.read import read_picture
from engine.image.rectify import TRADING
from engine.simulate.capture.holders import CardFace
from engine.simulate.capture.scene import CardStatus, Scene, card_scene
from engine.simulate.cards import CARDS_PER_DESIGN, CardSimulator, SimulationConfig
from engine.simulate.print.games import Grid
from engine.simulate.print.pictures import draw_noise_card, draw_picture
from engine.simulate.wear.paint import uncovered_patches
from engine.simulate.wear.rim import CardRim
from engine.simulate.wear.truth import CaptureKind

CARDS = 50
SEED = 26_000_000
CARD_PX = 700
MARKED = ROOT / "tests" / "engine" / "detection" / "marked_corners.json"

Sample = tuple[np.ndarray, np.ndarray]


def corner_error(quad: np.ndarray, truth: np.ndarray) -> float:
    """Worst corner's distance as a fraction of the card's longer side, for any first corner; (4, 2) pixels each."""
    longer_side = float(np.linalg.norm(np.roll(truth, -1, axis=0) - truth, axis=1).max())
    errors = [np.linalg.norm(np.roll(quad, turn, axis=0) - truth, axis=1).max() for turn in range(4)]
    return float(min(errors)) / longer_side


def error_in(rgb: np.ndarray, truth: np.ndarray) -> float:
    """corner_error of the detection in a picture; infinite if no card is found."""
    try:
        return corner_error(find_card(rgb).quad, truth)
    except NoCard:
        return float("inf")


def is_refused(rgb: np.ndarray) -> bool:
    """True if the detector finds no single whole card."""
    try:
        find_card(rgb)
    except NoCard:
        return True
    return False


def simulated_samples(seed: int, kind: CaptureKind, cards: int, *, long_side: int | None = None) -> list[Sample]:
    """Both sides of simulated cards as (rgb, quad); pictures are scaled down to `long_side` pixels."""
    simulator = CardSimulator(SimulationConfig(seed, mix="uniform", kinds=((kind, 1.0),), height=CARD_PX))
    samples = []
    for index in range(cards):
        card = simulator.card(index * CARDS_PER_DESIGN)
        for side in (card.front, card.back):
            scale = long_side / max(side.rgb.shape[:2]) if long_side else 1.0
            rgb = (
                cv2.resize(side.rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else side.rgb
            )
            samples.append((rgb, (side.quad + 0.5) * scale - 0.5))
    return samples


def noise_scene(random: Generator, kind: CaptureKind, status: CardStatus, long_side: int) -> Scene:
    """A scene of cards of noise among other things, harder than users' pictures."""
    count, height = (6, CARD_PX // 2) if status == "many" else (1, CARD_PX)
    grid = Grid(TRADING, height)
    rounded = uncovered_patches(CardRim(TRADING, (3.0,) * 4), grid)
    cards = [CardFace(draw_noise_card(random, grid.height, grid.width), rounded, grid) for _ in range(count)]
    return card_scene(random, cards, kind, status).scaled(long_side)


def cluttered_samples(random: Generator, kind: CaptureKind, long_side: int, count: int) -> list[Sample]:
    """Whole cards of noise in clutter as (rgb, quad)."""
    scenes = (noise_scene(random, kind, "one", long_side) for _ in range(count))
    return [(scene.rgb, scene.quads[0]) for scene in scenes]


def measure() -> list[Row]:
    """Errors on simulated captures, and on the marked real pictures if they exist."""
    random = np.random.default_rng(20_260)
    kinds: tuple[CaptureKind, ...] = ("scan", "photo", "sleeve")
    flat = [sample for kind in kinds for sample in simulated_samples(SEED, kind, CARDS)]
    slabs, small = simulated_samples(SEED, "slab", CARDS), simulated_samples(SEED + 1, "slab", CARDS, long_side=200)
    hard = [*cluttered_samples(random, "scan", 1000, CARDS), *cluttered_samples(random, "photo", 960, CARDS)]
    hard_slabs = cluttered_samples(random, "slab", 600, CARDS)
    rows = [
        *_error_rows("simulated scans and photos", _errors(flat), within=0.01, min_fraction=0.95, median=0.003),
        *_error_rows("simulated slabs", _errors(slabs), within=0.015, min_fraction=0.90),
        *_error_rows("simulated slabs of 150 x 200", _errors(small), within=0.03, min_fraction=0.80),
        *_error_rows("noise cards in clutter", _errors(hard), within=0.01, min_fraction=0.95, median=0.003),
        *_error_rows("noise cards in slabs of 600 x 450", _errors(hard_slabs), within=0.015, min_fraction=0.90),
        *_refusal_rows(random, [rgb for rgb, _ in [*flat, *slabs]]),
    ]
    return rows + _real_rows()


def _errors(samples: list[Sample]) -> list[float]:
    return [error_in(rgb, quad) for rgb, quad in samples]


def _error_rows(
    what: str, errors: list[float], *, within: float, min_fraction: float, median: float | None = None
) -> list[Row]:
    inside = float(np.mean(np.array(errors) <= within))
    rows = [
        Row(f"{what}: within {within:.1%} of the height", "all of them", inside, len(errors), at_least=min_fraction)
    ]
    if median is not None:
        middle = float(np.median(errors))
        rows.append(Row(f"{what}: median corner error", "the card's height", middle, len(errors), at_most=median))
    return rows


def _refusal_rows(random: Generator, good: list[np.ndarray]) -> list[Row]:
    bad = [draw_picture(random, 600, 800) for _ in range(CARDS)]
    statuses: tuple[CardStatus, ...] = ("none", "many", "cut")
    bad += [noise_scene(random, "photo", status, 800).rgb for status in statuses for _ in range(CARDS)]
    refused = float(np.mean([is_refused(rgb) for rgb in bad]))
    wrongly_refused = float(np.mean([is_refused(rgb) for rgb in good]))
    return [
        Row("pictures without one whole card, refused", "all of them", refused, len(bad), at_least=0.95),
        Row("good pictures, refused", "all of them", wrongly_refused, len(good), at_most=0.02),
    ]


def _real_rows() -> list[Row]:
    if not REAL_PICTURES.is_dir():
        print(f"{REAL_PICTURES} does not exist: the marked real pictures are not measured")
        return []
    marked = json.loads(MARKED.read_text(encoding="utf-8"))
    errors: dict[str, list[float]] = {"slab": [], "flat": []}
    for name, mark in marked.items():
        rgb = read_picture(REAL_PICTURES / name)
        errors["slab" if mark["kind"] == "slab" else "flat"].append(error_in(rgb, np.array(mark["quad"])))
    return [
        *_error_rows("marked real scans and photos", errors["flat"], within=0.01, min_fraction=0.95, median=0.003),
        *_error_rows("marked real slabs of 200 x 150", errors["slab"], within=0.03, min_fraction=0.80),
    ]
