"""Wear of corners and edges: amounts become outlines on the rim, the same paper seen from both sides."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from engine.image.rectify import CardSize
from engine.simulate.wear.amounts import Amounts
from engine.simulate.wear.rim import BACKWARD, FORWARD, MIRRORED_CORNER, Recess, Rim, along, area_mm2, mirrored_points
from engine.simulate.wear.shapes import laid_out, ragged, shared_out
from engine.simulate.wear.truth import Defect, DefectKind, Point, SideName, rounded

FRAY_RECESS_MM = 0.16
LONGEST_SEGMENT_MM = 16.0
LONGEST_CHIP_MM = 2.2
DEEPEST_MM = 11.0
CLEAR_OF_CORNER_MM = 0.6


def points_of(outline: np.ndarray) -> list[Point]:
    """An outline as it is written."""
    return [(rounded(x), rounded(y)) for x, y in outline]


def area_defect(kind: DefectKind, outline: np.ndarray, **known: object) -> Defect:
    """A defect with an area, its middle and size told from its outline."""
    x, y = outline.mean(axis=0)
    return Defect.model_validate(
        {
            "kind": kind,
            "at_mm": (rounded(x), rounded(y)),
            "points_mm": points_of(outline),
            "area_mm2": rounded(area_mm2(outline)),
            **known,
        }
    )


def worn_rim(random: Generator, rim: Rim, amounts: Amounts) -> Rim:
    """The rim with the front's rounding, fraying and missing pieces."""
    radii = tuple(
        radius + rounded(more) for radius, more in zip(rim.radii_mm, amounts.of("front", "rounding_mm"), strict=True)
    )
    frays = tuple(_fray(random, float(length)) if length > 0 else None for length in amounts.of("front", "fray_mm"))
    worn = Rim(rim.size, radii, frays)
    bites = [
        (edge, _bite(random, worn, edge, float(area)))
        for edge, area in enumerate(amounts.of("front", "missing_mm2"))
        if area > 0
    ]
    return Rim(rim.size, radii, frays, tuple(bites))


def _fray(random: Generator, length: float) -> Recess:
    places = along(-length / 2, length / 2) + float(random.normal(0, 0.15))
    return Recess(places, FRAY_RECESS_MM * ragged(random, len(places), coarse=3, fine=0.95))


def _bite(random: Generator, rim: Rim, edge: int, area: float) -> Recess:
    length = float(np.sqrt(area) * random.uniform(1.3, 2.4))
    clear = max(rim.radii_mm) + 2.0
    start = float(random.uniform(clear, rim.edge_length(edge) - clear - length))
    places = along(start, start + length)
    depth = ragged(random, len(places), coarse=3, fine=0.3)
    return Recess(places, depth * area / float(np.trapezoid(depth, places)))


def shape_defects(rim: Rim, norm_mm: float, norm: Rim) -> list[Defect]:
    """What the rim itself lost, as one side of the card has it: rounding, fraying and missing pieces."""
    defects = []
    for corner in range(4):
        more = rounded(rim.radii_mm[corner] - norm_mm)
        if more > 0:
            reach = rim.radii_mm[corner] * np.pi / 4
            outer = norm.corner_points(corner, along(-reach, reach))
            inner = Rim(rim.size, rim.radii_mm).corner_points(corner, along(-reach, reach))
            gone = np.concatenate([outer, inner[::-1]])
            defects.append(
                area_defect(
                    "corner_rounding", gone, depth_mm=more, length_mm=rounded(2 * reach), corner=corner, through=True
                )
            )
        fray = rim.frays[corner]
        if fray is not None:
            places = fray.along_mm
            strip = Rim(rim.size, rim.radii_mm).corner_strip(corner, places, fray.depth_mm + FRAY_RECESS_MM / 3)
            length, depth = rounded(places[-1] - places[0]), rounded(fray.depth_mm.max())
            defects.append(
                area_defect("corner_fray", strip, length_mm=length, depth_mm=depth, corner=corner, through=True)
            )
    for edge, bite in rim.bites:
        gone = norm.edge_strip(edge, bite.along_mm, bite.depth_mm)
        length, depth = rounded(bite.along_mm[-1] - bite.along_mm[0]), rounded(bite.depth_mm.max())
        defects.append(area_defect("missing_piece", gone, length_mm=length, depth_mm=depth, edge=edge, through=True))
    return defects


def bends(random: Generator, rim: Rim, amounts: Amounts) -> dict[SideName, list[Defect]]:
    """Corners that were bent: the line across the corner, on both sides, and the corner it cuts off."""
    found: dict[SideName, list[Defect]] = {"front": [], "back": []}
    for corner, length in enumerate(amounts.of("front", "bend_mm")):
        if length <= 0:
            continue
        lean = float(random.uniform(0.75, 1.33))
        back = float(length) / np.hypot(1.0, lean)
        start = rim.vertex(corner) + BACKWARD[corner] * back
        end = rim.vertex(corner) + FORWARD[corner] * back * lean
        line = np.array([start, end])
        bend = Defect(
            kind="corner_bend",
            at_mm=middle_of(line),
            points_mm=points_of(line),
            length_mm=rounded(length),
            width_mm=rounded(random.uniform(0.25, 0.5)),
            strength=rounded(random.uniform(0.35, 0.9)),
            through=True,
            corner=corner,
        )
        found["front"].append(bend)
        found["back"].append(turned_over(bend, rim.size))
    return found


def middle_of(line: np.ndarray) -> Point:
    """The middle of what a line spans."""
    x, y = (line.min(axis=0) + line.max(axis=0)) / 2
    return rounded(x), rounded(y)


def turned_over(defect: Defect, size: CardSize) -> Defect:
    """A flaw that goes through the card, as the other side has it."""
    points = mirrored_points(np.array(defect.points_mm), size)
    x, y = defect.at_mm
    return defect.model_copy(
        update={
            "at_mm": (rounded(size.width_mm - x), y),
            "points_mm": points_of(points),
            "corner": None if defect.corner is None else MIRRORED_CORNER[defect.corner],
        }
    )


def corner_whitening(random: Generator, rim: Rim, areas: np.ndarray) -> list[Defect]:
    """Stock laid bare at the corners of one side: (4,) mm2."""
    defects = []
    for corner, area in enumerate(areas):
        if area <= 0:
            continue
        length = (2.4 * np.sqrt(area) + 0.5) * random.uniform(0.85, 1.25)
        middle = random.normal(0, 0.08) * length
        places = along(middle - length / 2, middle + length / 2)
        profile = ragged(random, len(places), coarse=max(3, int(1.5 * length)), fine=0.35)
        deepest = _depth_for(float(area), rim, corner, places, profile)
        strip = rim.corner_strip(corner, places, profile * deepest)
        defects.append(
            area_defect(
                "corner_whitening",
                strip,
                length_mm=rounded(length),
                depth_mm=rounded(deepest),
                strength=rounded(random.uniform(0.85, 1.0)),
                corner=corner,
            )
        )
    return defects


def _depth_for(area: float, rim: Rim, corner: int, places: np.ndarray, profile: np.ndarray) -> float:
    """How deep a strip of that profile must reach to have that area: by bisection, area grows with depth."""
    low, high = 0.0, DEEPEST_MM
    for _ in range(24):
        depth = (low + high) / 2
        reached = area_mm2(rim.corner_strip(corner, places, profile * depth))
        low, high = (depth, high) if reached < area else (low, depth)
    return high


def edge_wear(
    random: Generator, rim: Rim, kind: DefectKind, lengths: np.ndarray, deepest_mm: tuple[float, float]
) -> list[Defect]:
    """Whitening or chips along the edges of one side: (4,) total lengths, and the range their depths are drawn from."""
    longest = LONGEST_SEGMENT_MM if kind == "edge_whitening" else LONGEST_CHIP_MM
    defects = []
    for edge, total in enumerate(lengths):
        if total <= 0:
            continue
        start = max(rim.radii_mm[edge], rim.radii_mm[(edge + 1) % 4]) + CLEAR_OF_CORNER_MM
        end = rim.edge_length(edge) - start
        lengths_mm = shared_out(random, min(float(total), (end - start) * 0.9), longest)
        for low, length in zip(laid_out(random, lengths_mm, start, end), lengths_mm, strict=True):
            high = low + length
            places = along(low, high)
            depth = float(random.uniform(*deepest_mm))
            fine = 0.85 if kind == "edge_whitening" else 0.35
            coarse = max(3, int((high - low) / (1.5 if kind == "edge_whitening" else 0.6)))
            strip = rim.edge_strip(edge, places, depth * ragged(random, len(places), coarse=coarse, fine=fine))
            defects.append(
                area_defect(
                    kind,
                    strip,
                    length_mm=rounded(high - low),
                    depth_mm=rounded(depth),
                    strength=rounded(random.uniform(0.75, 1.0)),
                    edge=edge,
                )
            )
    return defects
