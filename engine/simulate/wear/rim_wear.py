"""Wear of corners and edges: outlines along the rim, drawn from amounts and mirrored onto the other side."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from engine.image.rectify import CardSize
from engine.simulate.wear.amounts import WearAmounts
from engine.simulate.wear.rim import (
    BACKWARD,
    FORWARD,
    MIRRORED_CORNER,
    CardRim,
    RimRecess,
    area_mm2,
    mirrored_points,
    positions_along,
)
from engine.simulate.wear.shapes import ragged_profile, random_starts, split_total
from engine.simulate.wear.truth import Defect, DefectKind, Point, SideName, rounded

FRAY_RECESS_MM = 0.16
MAX_SEGMENT_MM = 16.0
MAX_CHIP_MM = 2.2
MAX_DEPTH_MM = 11.0
CORNER_CLEARANCE_MM = 0.6


def as_points(outline: np.ndarray) -> list[Point]:
    """Points (N, 2) as stored in the ground truth."""
    return [(rounded(x), rounded(y)) for x, y in outline]


def area_defect(kind: DefectKind, outline: np.ndarray, **fields: object) -> Defect:
    """A defect with an area; its centre and area are computed from the outline."""
    x, y = outline.mean(axis=0)
    return Defect.model_validate(
        {
            "kind": kind,
            "at_mm": (rounded(x), rounded(y)),
            "points_mm": as_points(outline),
            "area_mm2": rounded(area_mm2(outline)),
            **fields,
        }
    )


def draw_worn_rim(random: Generator, rim: CardRim, amounts: WearAmounts) -> CardRim:
    """Draw the worn rim from the front's rounding, fraying and missing pieces."""
    radii = tuple(
        radius + rounded(rounding)
        for radius, rounding in zip(rim.radii_mm, amounts.get("front", "rounding_mm"), strict=True)
    )
    frays = tuple(
        _draw_fray(random, float(length)) if length > 0 else None for length in amounts.get("front", "fray_mm")
    )
    worn = CardRim(rim.size, radii, frays)
    bites = [
        (edge, _draw_bite(random, worn, edge, float(area)))
        for edge, area in enumerate(amounts.get("front", "missing_mm2"))
        if area > 0
    ]
    return CardRim(rim.size, radii, frays, tuple(bites))


def _draw_fray(random: Generator, length: float) -> RimRecess:
    positions = positions_along(-length / 2, length / 2) + float(random.normal(0, 0.15))
    return RimRecess(positions, FRAY_RECESS_MM * ragged_profile(random, len(positions), coarse=3, fine=0.95))


def _draw_bite(random: Generator, rim: CardRim, edge: int, area: float) -> RimRecess:
    length = float(np.sqrt(area) * random.uniform(1.3, 2.4))
    clearance = max(rim.radii_mm) + 2.0
    start = float(random.uniform(clearance, rim.edge_length(edge) - clearance - length))
    positions = positions_along(start, start + length)
    depth = ragged_profile(random, len(positions), coarse=3, fine=0.3)
    return RimRecess(positions, depth * area / float(np.trapezoid(depth, positions)))


def rim_defects(rim: CardRim, nominal_radius_mm: float, nominal_rim: CardRim) -> list[Defect]:
    """Defects of the rim, in the coordinates of one side: rounding, fraying and missing pieces."""
    defects = []
    for corner in range(4):
        rounding = rounded(rim.radii_mm[corner] - nominal_radius_mm)
        if rounding > 0:
            reach = rim.radii_mm[corner] * np.pi / 4
            outer = nominal_rim.corner_points(corner, positions_along(-reach, reach))
            inner = CardRim(rim.size, rim.radii_mm).corner_points(corner, positions_along(-reach, reach))
            outline = np.concatenate([outer, inner[::-1]])
            defects.append(
                area_defect(
                    "corner_rounding",
                    outline,
                    depth_mm=rounding,
                    length_mm=rounded(2 * reach),
                    corner=corner,
                    through=True,
                )
            )
        fray = rim.frays[corner]
        if fray is not None:
            positions = fray.along_mm
            strip = CardRim(rim.size, rim.radii_mm).corner_strip(corner, positions, fray.depth_mm + FRAY_RECESS_MM / 3)
            length, depth = rounded(positions[-1] - positions[0]), rounded(fray.depth_mm.max())
            defects.append(
                area_defect("corner_fray", strip, length_mm=length, depth_mm=depth, corner=corner, through=True)
            )
    for edge, bite in rim.bites:
        outline = nominal_rim.edge_strip(edge, bite.along_mm, bite.depth_mm)
        length, depth = rounded(bite.along_mm[-1] - bite.along_mm[0]), rounded(bite.depth_mm.max())
        defects.append(area_defect("missing_piece", outline, length_mm=length, depth_mm=depth, edge=edge, through=True))
    return defects


def draw_bends(random: Generator, rim: CardRim, amounts: WearAmounts) -> dict[SideName, list[Defect]]:
    """Draw the fold lines of bent corners, on both sides."""
    defects: dict[SideName, list[Defect]] = {"front": [], "back": []}
    for corner, length in enumerate(amounts.get("front", "bend_mm")):
        if length <= 0:
            continue
        lean = float(random.uniform(0.75, 1.33))
        back = float(length) / np.hypot(1.0, lean)
        start = rim.vertex(corner) + BACKWARD[corner] * back
        end = rim.vertex(corner) + FORWARD[corner] * back * lean
        line = np.array([start, end])
        bend = Defect(
            kind="corner_bend",
            at_mm=middle_point(line),
            points_mm=as_points(line),
            length_mm=rounded(length),
            width_mm=rounded(random.uniform(0.25, 0.5)),
            strength=rounded(random.uniform(0.35, 0.9)),
            through=True,
            corner=corner,
        )
        defects["front"].append(bend)
        defects["back"].append(mirrored_defect(bend, rim.size))
    return defects


def middle_point(line: np.ndarray) -> Point:
    """Centre of a line's bounding box."""
    x, y = (line.min(axis=0) + line.max(axis=0)) / 2
    return rounded(x), rounded(y)


def mirrored_defect(defect: Defect, size: CardSize) -> Defect:
    """The same flaw on the other side of the card."""
    points = mirrored_points(np.array(defect.points_mm), size)
    x, y = defect.at_mm
    return defect.model_copy(
        update={
            "at_mm": (rounded(size.width_mm - x), y),
            "points_mm": as_points(points),
            "corner": None if defect.corner is None else MIRRORED_CORNER[defect.corner],
        }
    )


def draw_corner_whitening(random: Generator, rim: CardRim, areas: np.ndarray) -> list[Defect]:
    """Draw whitening at the corners of one side, areas (4,) mm2."""
    defects = []
    for corner, area in enumerate(areas):
        if area <= 0:
            continue
        length = (2.4 * np.sqrt(area) + 0.5) * random.uniform(0.85, 1.25)
        middle = random.normal(0, 0.08) * length
        positions = positions_along(middle - length / 2, middle + length / 2)
        profile = ragged_profile(random, len(positions), coarse=max(3, int(1.5 * length)), fine=0.35)
        depth = _depth_for_area(float(area), rim, corner, positions, profile)
        strip = rim.corner_strip(corner, positions, profile * depth)
        defects.append(
            area_defect(
                "corner_whitening",
                strip,
                length_mm=rounded(length),
                depth_mm=rounded(depth),
                strength=rounded(random.uniform(0.85, 1.0)),
                corner=corner,
            )
        )
    return defects


def _depth_for_area(area: float, rim: CardRim, corner: int, positions: np.ndarray, profile: np.ndarray) -> float:
    """Depth at which a strip of this profile has this area, by bisection: area grows with depth."""
    low, high = 0.0, MAX_DEPTH_MM
    for _ in range(24):
        depth = (low + high) / 2
        strip_area = area_mm2(rim.corner_strip(corner, positions, profile * depth))
        low, high = (depth, high) if strip_area < area else (low, depth)
    return high


def draw_edge_wear(
    random: Generator, rim: CardRim, kind: DefectKind, lengths: np.ndarray, depth_range_mm: tuple[float, float]
) -> list[Defect]:
    """Draw whitening or chips along the edges of one side, (4,) total lengths mm, with depths from a range."""
    max_length = MAX_SEGMENT_MM if kind == "edge_whitening" else MAX_CHIP_MM
    defects = []
    for edge, total in enumerate(lengths):
        if total <= 0:
            continue
        start = max(rim.radii_mm[edge], rim.radii_mm[(edge + 1) % 4]) + CORNER_CLEARANCE_MM
        end = rim.edge_length(edge) - start
        lengths_mm = split_total(random, min(float(total), (end - start) * 0.9), max_length)
        for segment_start, length in zip(random_starts(random, lengths_mm, start, end), lengths_mm, strict=True):
            segment_end = segment_start + length
            positions = positions_along(segment_start, segment_end)
            depth = float(random.uniform(*depth_range_mm))
            fine = 0.85 if kind == "edge_whitening" else 0.35
            coarse = max(3, int((segment_end - segment_start) / (1.5 if kind == "edge_whitening" else 0.6)))
            strip = rim.edge_strip(
                edge, positions, depth * ragged_profile(random, len(positions), coarse=coarse, fine=fine)
            )
            defects.append(
                area_defect(
                    kind,
                    strip,
                    length_mm=rounded(segment_end - segment_start),
                    depth_mm=rounded(depth),
                    strength=rounded(random.uniform(0.75, 1.0)),
                    edge=edge,
                )
            )
    return defects
