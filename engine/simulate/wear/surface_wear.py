"""Wear of the two surfaces: scratches, print lines, dimples, creases, stains, ink and lost gloss."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from engine.image.rectify import CardSize
from engine.simulate.wear.amounts import WearAmounts
from engine.simulate.wear.rim import area_mm2, length_mm
from engine.simulate.wear.rim_wear import area_defect, as_points, middle_point, mirrored_defect
from engine.simulate.wear.shapes import blob, place_randomly, split_total, stroke
from engine.simulate.wear.truth import Defect, DefectKind, SideName, rounded

EDGE_CLEARANCE_MM = 2.0
MAX_LINE_MM = 48.0  # fits on the smallest card in any direction


def line_defect(
    kind: DefectKind, line: np.ndarray, *, width_mm: float, strength: float, through: bool = False
) -> Defect:
    """A defect along a line, (N, 2) mm."""
    return Defect(
        kind=kind,
        at_mm=middle_point(line),
        points_mm=as_points(line),
        length_mm=rounded(length_mm(line)),
        width_mm=rounded(width_mm),
        strength=rounded(strength),
        through=through,
    )


def draw_surface_wear(random: Generator, size: CardSize, amounts: WearAmounts, side: SideName) -> list[Defect]:
    """Draw the surface wear of one side, without creases, which go through the card."""
    size_mm = np.array([size.width_mm, size.height_mm])
    amount = {name: float(values[0]) for name, values in amounts.values[side].items() if len(values) == 1}
    return [
        *_draw_gloss_loss(random, size_mm, amount["gloss_loss"]),
        *_draw_stains(random, size_mm, amount["stain_mm2"]),
        *_draw_print_lines(random, size_mm, amount["print_line_mm"]),
        *_draw_scratches(random, size_mm, amount["scratch_mm"]),
        *_draw_dimples(random, size_mm, amount["dimple_mm2"]),
        *_draw_ink(random, size_mm, amount["ink_mm"]),
    ]


def draw_creases(random: Generator, size: CardSize, amounts: WearAmounts) -> dict[SideName, list[Defect]]:
    """Draw creases on both sides, mirrored."""
    defects: dict[SideName, list[Defect]] = {"front": [], "back": []}
    total = float(amounts.get("front", "crease_mm")[0])
    size_mm = np.array([size.width_mm, size.height_mm])
    for length in _draw_parts(random, total, MAX_LINE_MM):
        line = stroke(random, length, bend=random.normal(0, 0.25), kinks=0.06)
        line = place_randomly(random, line, size_mm, margin=0.3)
        width, strength = random.uniform(0.22, 0.5), float(np.clip(0.35 + total / 120 + random.normal(0, 0.1), 0.3, 1))
        crease = line_defect("crease", line, width_mm=width, strength=strength, through=True)
        defects["front"].append(crease)
        defects["back"].append(mirrored_defect(crease, size))
    return defects


def _draw_parts(random: Generator, total: float, max_part: float) -> list[float]:
    return [] if total <= 0 else [float(part) for part in split_total(random, total, max_part)]


def _draw_scratches(random: Generator, size_mm: np.ndarray, total: float) -> list[Defect]:
    """Draw hairlines."""
    defects: list[Defect] = []
    for length in _draw_parts(random, total, float(random.uniform(8, MAX_LINE_MM))):
        line = stroke(random, length, bend=random.normal(0, 0.3))
        line = place_randomly(random, line, size_mm, margin=EDGE_CLEARANCE_MM)
        width, strength = random.uniform(0.05, 0.14), random.uniform(0.35, 0.9)
        defects.append(line_defect("scratch", line, width_mm=width, strength=strength))
    return defects


def _draw_print_lines(random: Generator, size_mm: np.ndarray, total: float) -> list[Defect]:
    """Draw straight lines, all in the direction of the press."""
    upright = random.random() < 0.6
    defects = []
    for length in _draw_parts(random, total, MAX_LINE_MM):
        line = np.linspace([0.0, 0.0], [0.0, length] if upright else [length, 0.0], 4)
        line = place_randomly(random, line, size_mm, margin=EDGE_CLEARANCE_MM)
        width, strength = random.uniform(0.1, 0.2), random.uniform(0.3, 0.7)
        defects.append(line_defect("print_line", line, width_mm=width, strength=strength))
    return defects


def _draw_dimples(random: Generator, size_mm: np.ndarray, total: float) -> list[Defect]:
    defects = []
    for area in _draw_parts(random, total, float(random.uniform(0.8, 4.0))):
        outline = place_randomly(random, blob(random, area, roughness=0.08), size_mm, margin=EDGE_CLEARANCE_MM)
        defects.append(area_defect("dimple", outline, strength=rounded(random.uniform(0.4, 0.9))))
    return defects


def _draw_stains(random: Generator, size_mm: np.ndarray, total: float) -> list[Defect]:
    defects = []
    for area in _draw_parts(random, total, float(random.uniform(60, 260))):
        outline = place_randomly(random, blob(random, area, elongation=random.uniform(1, 1.6)), size_mm, margin=1.0)
        defects.append(area_defect("stain", outline, strength=rounded(random.uniform(0.35, 0.9))))
    return defects


def _draw_ink(random: Generator, size_mm: np.ndarray, total: float) -> list[Defect]:
    """Draw strokes of a ball pen."""
    defects = []
    for length in _draw_parts(random, total, 26.0):
        line = place_randomly(random, stroke(random, length, bend=random.normal(0, 2), kinks=0.35), size_mm, margin=1.5)
        width, strength = random.uniform(0.3, 0.6), random.uniform(0.6, 0.95)
        defects.append(line_defect("ink", line, width_mm=width, strength=strength))
    return defects


def _draw_gloss_loss(random: Generator, size_mm: np.ndarray, fraction: float) -> list[Defect]:
    """Draw one dull patch: an ellipse if small, closer to the card's rectangle if large."""
    if fraction <= 0:
        return []
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    power = 2 / (2 + 6 * fraction)
    outline = (
        np.column_stack(
            [
                np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** power,
                np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** power,
            ]
        )
        * size_mm
        / 2
    )
    outline *= 1 + 0.04 * random.normal(size=64)[:, None] * (fraction < 0.5)
    outline *= np.sqrt(fraction * size_mm.prod() / area_mm2(outline))
    outline = place_randomly(random, outline, size_mm, margin=0.0)
    return [area_defect("gloss_loss", outline, strength=rounded(random.uniform(0.45, 0.9)))]
