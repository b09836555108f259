"""How exactly the card is found: in simulated captures whose corners are known, and in marked real pictures.

An error is the worst corner's distance from the truth as a share of the card's height; which corner is the printed
top left is judged apart.
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
from engine.simulate.cards import COPIES, Recipe, Studio
from engine.simulate.wear.truth import CaptureKind
from tools.finder.capture_art import card_face
from tools.finder.captures import Kind, scenery, simulate_capture

CARDS = 50
SEED = 26_000_000
CARD_PX = 700
MARKED = ROOT / "tests" / "engine" / "detection" / "marked_corners.json"


Sample = tuple[np.ndarray, np.ndarray]


def corner_error(found: np.ndarray, truth: np.ndarray) -> float:
    """Worst corner's distance as a share of the card's longer side, whichever corner either of them begins with."""
    tall = float(np.linalg.norm(np.roll(truth, -1, axis=0) - truth, axis=1).max())
    rolled = [np.linalg.norm(np.roll(found, turn, axis=0) - truth, axis=1).max() for turn in range(4)]
    return float(min(rolled)) / tall


def error_in(rgb: np.ndarray, truth: np.ndarray) -> float:
    """corner_error of what is found in a picture; infinite where it is refused."""
    try:
        return corner_error(find_card(rgb).quad, truth)
    except NoCard:
        return float("inf")


def is_refused(rgb: np.ndarray) -> bool:
    """Whether the finder says that there is no single whole card."""
    try:
        find_card(rgb)
    except NoCard:
        return True
    return False


def simulated(seed: int, kind: CaptureKind, cards: int, *, long_side: int | None = None) -> list[Sample]:
    """Both sides of simulated cards as (rgb, quad); `long_side` scales the pictures down to that many pixels."""
    studio = Studio(Recipe(seed, mix="uniform", kinds=((kind, 1.0),), height=CARD_PX))
    samples = []
    for index in range(cards):
        card = studio.card(index * COPIES)
        for side in (card.front, card.back):
            scale = long_side / max(side.rgb.shape[:2]) if long_side else 1.0
            rgb = (
                cv2.resize(side.rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else side.rgb
            )
            samples.append((rgb, (side.quad + 0.5) * scale - 0.5))
    return samples


def cluttered(random: Generator, kind: Kind, height: int, width: int, count: int) -> list[Sample]:
    """Captures of cards of shapes and noise, on anything, under any light: harder than what people send."""
    sources = [card_face(random, [], 300, 220) for _ in range(20)]
    captures = (simulate_capture(random, height=height, width=width, kind=kind, sources=sources) for _ in range(count))
    return [(capture.rgb, capture.quads[0]) for capture in captures]


def measure() -> list[Row]:
    """Errors on new simulated captures; then, where the marked real pictures are at hand, on those."""
    random = np.random.default_rng(20_260)
    kinds: tuple[CaptureKind, ...] = ("scan", "photo", "sleeve")
    flat = [sample for kind in kinds for sample in simulated(SEED, kind, CARDS)]
    slabs, small = simulated(SEED, "slab", CARDS), simulated(SEED + 1, "slab", CARDS, long_side=200)
    hard = [*cluttered(random, "scan", 1000, 760, CARDS), *cluttered(random, "photo", 960, 720, CARDS)]
    hard_slabs = cluttered(random, "slab", 600, 450, CARDS)
    rows = [
        *_error_rows("simulated scans and photos", _errors(flat), within=0.01, share=0.95, median=0.003),
        *_error_rows("simulated slabs", _errors(slabs), within=0.015, share=0.90),
        *_error_rows("simulated slabs of 150 x 200", _errors(small), within=0.03, share=0.80),
        *_error_rows("noise cards in clutter", _errors(hard), within=0.01, share=0.95, median=0.003),
        *_error_rows("noise cards in slabs of 600 x 450", _errors(hard_slabs), within=0.015, share=0.90),
        *_refusal_rows(random, [rgb for rgb, _ in [*flat, *slabs]]),
    ]
    return rows + _real_rows()


def _errors(samples: list[Sample]) -> list[float]:
    return [error_in(rgb, quad) for rgb, quad in samples]


def _error_rows(
    what: str, errors: list[float], *, within: float, share: float, median: float | None = None
) -> list[Row]:
    inside = float(np.mean(np.array(errors) <= within))
    rows = [Row(f"{what}: within {within:.1%} of the height", "all of them", inside, len(errors), at_least=share)]
    if median is not None:
        middle = float(np.median(errors))
        rows.append(Row(f"{what}: median corner error", "the card's height", middle, len(errors), at_most=median))
    return rows


def _refusal_rows(random: Generator, good: list[np.ndarray]) -> list[Row]:
    sources = [card_face(random, [], 300, 220) for _ in range(20)]
    bad = [scenery(random, sources, 600, 800).rgb for _ in range(CARDS)]
    for status in ("none", "many", "cut"):
        for _ in range(CARDS):
            capture = simulate_capture(random, height=800, width=640, kind="photo", status=status, sources=sources)
            bad.append(capture.rgb)
    refused = float(np.mean([is_refused(rgb) for rgb in bad]))
    wronged = float(np.mean([is_refused(rgb) for rgb in good]))
    return [
        Row("pictures without one whole card, refused", "all of them", refused, len(bad), at_least=0.95),
        Row("good pictures, refused", "all of them", wronged, len(good), at_most=0.02),
    ]


def _real_rows() -> list[Row]:
    if not REAL_PICTURES.is_dir():
        print(f"{REAL_PICTURES} is absent: the marked real pictures are not measured")
        return []
    marks = json.loads(MARKED.read_text(encoding="utf-8"))
    errors: dict[str, list[float]] = {"slab": [], "flat": []}
    for name, mark in marks.items():
        rgb = read_picture(REAL_PICTURES / name)
        errors["slab" if mark["kind"] == "slab" else "flat"].append(error_in(rgb, np.array(mark["quad"])))
    return [
        *_error_rows("marked real scans and photos", errors["flat"], within=0.01, share=0.95, median=0.003),
        *_error_rows("marked real slabs of 200 x 150", errors["slab"], within=0.03, share=0.80),
    ]
