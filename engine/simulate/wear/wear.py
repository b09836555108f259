"""All wear of one card: drawn for a grade, placed on the paper, and summed up as the truth that gives that grade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from numpy.random import Generator

from engine.image.rectify import CardSize
from engine.simulate.wear.amounts import SIDES, draw_amounts, draw_attributes, draw_shares, possible_centering
from engine.simulate.wear.centering import Placement, centering, miscut, place_loosely, place_print
from engine.simulate.wear.rim import Rim
from engine.simulate.wear.rim_wear import bends, corner_whitening, edge_wear, shape_defects, worn_rim
from engine.simulate.wear.surface_wear import creases, side_surface
from engine.simulate.wear.truth import (
    Attribute,
    CornerTruth,
    Defect,
    DefectKind,
    EdgeTruth,
    Point,
    SideName,
    SideWear,
    SurfaceTruth,
    rounded,
)

Frame = tuple[float, float]  # width and height in mm of the printed frame that centering is measured to
BORDERLESS = "borderless"


@dataclass(frozen=True)
class WornSide:
    """One side: its truth, the rim it is cut by, and how its print lies."""

    wear: SideWear
    rim: Rim
    placement: Placement


@dataclass(frozen=True)
class WornCard:
    """Both sides of one card."""

    front: WornSide
    back: WornSide


def draw_wear(
    random: Generator,
    *,
    size: CardSize,
    corner_mm: float,
    frames: tuple[Frame | None, Frame | None],
    grade: int,
    graded_on: date,
) -> WornCard:
    """Wear whose worst attribute gives exactly that grade.

    corner_mm  radius the corners are cut to
    frames     of the front's and the back's print, None where it has no border
    grade      1 to 10
    """
    bordered = [side for side, frame in zip(SIDES, frames, strict=True) if frame is not None]
    grades = draw_attributes(random, grade, possible_centering(bordered, graded_on))
    shares = draw_shares(random, bordered, grades["centering"], graded_on) if bordered else {}
    placements = [
        place_loosely(random) if frame is None else place_print(random, shares[side], frame, size)
        for side, frame in zip(SIDES, frames, strict=True)
    ]
    front, back = place_wear(random, size=size, corner_mm=corner_mm, grades=grades)
    return WornCard(
        _with_print(front, frames[0], placements[0], size),
        _with_print(back, frames[1], placements[1], size),
    )


def place_wear(
    random: Generator, *, size: CardSize, corner_mm: float, grades: dict[Attribute, int]
) -> tuple[WornSide, WornSide]:
    """Wear of corners, edges and surface for those grades; both prints straight, their centering not told."""
    amounts = draw_amounts(random, grades)
    norm = Rim(size, (corner_mm,) * 4)
    rim = worn_rim(random, norm, amounts)
    bent, creased = bends(random, rim, amounts), creases(random, size, amounts)
    rims: dict[SideName, Rim] = {"front": rim, "back": rim.mirrored()}
    depths = _depths(min(grades["edges"], grades["corners"]))
    sides = []
    for side, own in rims.items():
        defects = [
            *side_surface(random, size, amounts, side),
            *creased[side],
            *bent[side],
            *edge_wear(random, own, "edge_whitening", amounts.of(side, "whitening_mm"), depths),
            *edge_wear(random, own, "edge_chip", amounts.of(side, "chipping_mm"), (2.0 * depths[0], 1.7 * depths[1])),
            *corner_whitening(random, own, amounts.of(side, "whitening_mm2")),
            *shape_defects(own, corner_mm, norm),
        ]
        sides.append(WornSide(summed(defects, size), own, Placement((0.0, 0.0), 0.0)))
    return sides[0], sides[1]


def _depths(grade: int) -> tuple[float, float]:
    """How deep edge whitening reaches, mm: a better card's edges are touched, a poor one's are rubbed through."""
    return 0.07 + 0.012 * (10 - grade), 0.14 + 0.045 * (10 - grade)


def _with_print(side: WornSide, frame: Frame | None, placement: Placement, size: CardSize) -> WornSide:
    if frame is None:
        return WornSide(side.wear.model_copy(update={"centering_reason": BORDERLESS}), side.rim, placement)
    known = {
        "centering": centering(placement, frame, size),
        "centering_reason": "",
        "defects": [*side.wear.defects, *miscut(placement, frame, size)],
    }
    return WornSide(side.wear.model_copy(update=known), side.rim, placement)


def summed(defects: Sequence[Defect], size: CardSize) -> SideWear:
    """One side's defects as the measures that grades are told from."""

    def total(kind: DefectKind, of: str, place: tuple[str, int] | None = None) -> float:
        chosen = [d for d in defects if d.kind == kind and (place is None or getattr(d, place[0]) == place[1])]
        return rounded(sum(getattr(defect, of) for defect in chosen))

    corners = [
        CornerTruth(
            whitening_mm2=total("corner_whitening", "area_mm2", ("corner", corner)),
            rounding_mm=total("corner_rounding", "depth_mm", ("corner", corner)),
            fray_mm=total("corner_fray", "length_mm", ("corner", corner)),
            bend_mm=total("corner_bend", "length_mm", ("corner", corner)),
        )
        for corner in range(4)
    ]
    edges = [
        EdgeTruth(
            whitening_mm=total("edge_whitening", "length_mm", ("edge", edge)),
            chipping_mm=total("edge_chip", "length_mm", ("edge", edge)),
            missing_mm2=total("missing_piece", "area_mm2", ("edge", edge)),
            worst_mm=_deepest([defect for defect in defects if defect.edge == edge]),
        )
        for edge in range(4)
    ]
    surface = SurfaceTruth(
        scratch_mm=total("scratch", "length_mm"),
        print_line_mm=total("print_line", "length_mm"),
        dimple_mm2=total("dimple", "area_mm2"),
        crease_mm=total("crease", "length_mm"),
        stain_mm2=total("stain", "area_mm2"),
        ink_mm=total("ink", "length_mm"),
        gloss_loss=rounded(total("gloss_loss", "area_mm2") / (size.width_mm * size.height_mm)),
    )
    return SideWear(
        centering=None,
        centering_reason="not told",
        defects=list(defects),
        corners=corners,
        edges=edges,
        surface=surface,
    )


def _deepest(defects: list[Defect]) -> Point | None:
    return max(defects, key=lambda defect: defect.depth_mm).at_mm if defects else None
