"""Wear of the two surfaces: scratches, print lines, dimples, creases, stains, ink and lost gloss."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from engine.image.rectify import CardSize
from engine.simulate.wear.amounts import Amounts
from engine.simulate.wear.rim import area_mm2, length_mm
from engine.simulate.wear.rim_wear import area_defect, middle_of, points_of, turned_over
from engine.simulate.wear.shapes import blob, shared_out, somewhere, stroke
from engine.simulate.wear.truth import Defect, DefectKind, SideName, rounded

CLEAR_OF_EDGE_MM = 2.0
LONGEST_MM = 48.0  # any such line fits on the smallest card, whichever way it runs


def line_defect(
    kind: DefectKind, line: np.ndarray, *, width_mm: float, strength: float, through: bool = False
) -> Defect:
    """A defect that follows a line."""
    return Defect(
        kind=kind,
        at_mm=middle_of(line),
        points_mm=points_of(line),
        length_mm=rounded(length_mm(line)),
        width_mm=rounded(width_mm),
        strength=rounded(strength),
        through=through,
    )


def side_surface(random: Generator, size: CardSize, amounts: Amounts, side: SideName) -> list[Defect]:
    """What one side has by itself; creases go through the card and are drawn apart."""
    room = np.array([size.width_mm, size.height_mm])
    amount = {name: float(values[0]) for name, values in amounts.values[side].items() if len(values) == 1}
    return [
        *_gloss(random, room, amount["gloss_loss"]),
        *_stains(random, room, amount["stain_mm2"]),
        *_print_lines(random, room, amount["print_line_mm"]),
        *_scratches(random, room, amount["scratch_mm"]),
        *_dimples(random, room, amount["dimple_mm2"]),
        *_ink(random, room, amount["ink_mm"]),
    ]


def creases(random: Generator, size: CardSize, amounts: Amounts) -> dict[SideName, list[Defect]]:
    """Creases, which are on both sides, mirrored."""
    found: dict[SideName, list[Defect]] = {"front": [], "back": []}
    total = float(amounts.of("front", "crease_mm")[0])
    room = np.array([size.width_mm, size.height_mm])
    for length in _parts(random, total, LONGEST_MM):
        line = stroke(random, length, bend=random.normal(0, 0.25), kinks=0.06)
        line = somewhere(random, line, room, margin=0.3)
        width, strength = random.uniform(0.22, 0.5), float(np.clip(0.35 + total / 120 + random.normal(0, 0.1), 0.3, 1))
        crease = line_defect("crease", line, width_mm=width, strength=strength, through=True)
        found["front"].append(crease)
        found["back"].append(turned_over(crease, size))
    return found


def _parts(random: Generator, total: float, most: float) -> list[float]:
    return [] if total <= 0 else [float(part) for part in shared_out(random, total, most)]


def _scratches(random: Generator, room: np.ndarray, total: float) -> list[Defect]:
    """Hairlines; some run side by side, as a grain of sand under a stack of cards draws them."""
    defects: list[Defect] = []
    for length in _parts(random, total, float(random.uniform(8, LONGEST_MM))):
        line = stroke(random, length, bend=random.normal(0, 0.3))
        line = somewhere(random, line, room, margin=CLEAR_OF_EDGE_MM)
        width, strength = random.uniform(0.05, 0.14), random.uniform(0.35, 0.9)
        defects.append(line_defect("scratch", line, width_mm=width, strength=strength))
    return defects


def _print_lines(random: Generator, room: np.ndarray, total: float) -> list[Defect]:
    """Straight lines along the press, all the same way."""
    upright = random.random() < 0.6
    defects = []
    for length in _parts(random, total, LONGEST_MM):
        line = np.linspace([0.0, 0.0], [0.0, length] if upright else [length, 0.0], 4)
        line = somewhere(random, line, room, margin=CLEAR_OF_EDGE_MM)
        width, strength = random.uniform(0.1, 0.2), random.uniform(0.3, 0.7)
        defects.append(line_defect("print_line", line, width_mm=width, strength=strength))
    return defects


def _dimples(random: Generator, room: np.ndarray, total: float) -> list[Defect]:
    defects = []
    for area in _parts(random, total, float(random.uniform(0.8, 4.0))):
        outline = somewhere(random, blob(random, area, roughness=0.08), room, margin=CLEAR_OF_EDGE_MM)
        defects.append(area_defect("dimple", outline, strength=rounded(random.uniform(0.4, 0.9))))
    return defects


def _stains(random: Generator, room: np.ndarray, total: float) -> list[Defect]:
    defects = []
    for area in _parts(random, total, float(random.uniform(60, 260))):
        outline = somewhere(random, blob(random, area, elongation=random.uniform(1, 1.6)), room, margin=1.0)
        defects.append(area_defect("stain", outline, strength=rounded(random.uniform(0.35, 0.9))))
    return defects


def _ink(random: Generator, room: np.ndarray, total: float) -> list[Defect]:
    """Strokes of a ball pen."""
    defects = []
    for length in _parts(random, total, 26.0):
        line = somewhere(random, stroke(random, length, bend=random.normal(0, 2), kinks=0.35), room, margin=1.5)
        width, strength = random.uniform(0.3, 0.6), random.uniform(0.6, 0.95)
        defects.append(line_defect("ink", line, width_mm=width, strength=strength))
    return defects


def _gloss(random: Generator, room: np.ndarray, share: float) -> list[Defect]:
    """One patch that is rubbed dull: an ellipse while small, nearing the card's own shape when large."""
    if share <= 0:
        return []
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    power = 2 / (2 + 6 * share)
    outline = (
        np.column_stack(
            [
                np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** power,
                np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** power,
            ]
        )
        * room
        / 2
    )
    outline *= 1 + 0.04 * random.normal(size=64)[:, None] * (share < 0.5)
    outline *= np.sqrt(share * room.prod() / area_mm2(outline))
    outline = somewhere(random, outline, room, margin=0.0)
    return [area_defect("gloss_loss", outline, strength=rounded(random.uniform(0.45, 0.9)))]
