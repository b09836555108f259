"""Wear of one card, drawn for a grade, and its sums, from which the ground-truth grade is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from numpy.random import Generator

from engine.image.rectify import CardSize
from engine.simulate.wear.amounts import (
    SIDE_NAMES,
    WearAmounts,
    draw_amounts,
    draw_attribute_grades,
    draw_centering_percents,
    possible_centering_grades,
)
from engine.simulate.wear.centering import (
    Placement,
    centering_truth,
    miscut_defects,
    place_borderless_print,
    place_print,
)
from engine.simulate.wear.rim import CardRim
from engine.simulate.wear.rim_wear import draw_bends, draw_corner_whitening, draw_edge_wear, draw_worn_rim, rim_defects
from engine.simulate.wear.surface_wear import draw_creases, draw_surface_wear
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

FrameSize = tuple[float, float]  # width and height in mm of the printed frame that centering is measured to
BORDERLESS = "borderless"


@dataclass(frozen=True)
class WornSide:
    """One side: its wear, the rim of the card, and the placement of the print."""

    wear: SideWear
    rim: CardRim
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
    frames: tuple[FrameSize | None, FrameSize | None],
    grade: int,
    graded_on: date,
) -> WornCard:
    """Draw wear whose worst attribute has exactly this grade.

    corner_mm  nominal radius of the corners
    frames     frame sizes of the front's and the back's print, None for a print without a border
    grade      1 to 10
    """
    bordered = [side for side, frame in zip(SIDE_NAMES, frames, strict=True) if frame is not None]
    grades = draw_attribute_grades(random, grade, possible_centering_grades(bordered, graded_on))
    percents = draw_centering_percents(random, bordered, grades["centering"], graded_on) if bordered else {}
    placements = [
        place_borderless_print(random) if frame is None else place_print(random, percents[side], frame, size)
        for side, frame in zip(SIDE_NAMES, frames, strict=True)
    ]
    front, back = wear_for_grades(random, size=size, corner_mm=corner_mm, grades=grades)
    return WornCard(
        _with_centering(front, frames[0], placements[0], size),
        _with_centering(back, frames[1], placements[1], size),
    )


def wear_for_grades(
    random: Generator, *, size: CardSize, corner_mm: float, grades: dict[Attribute, int]
) -> tuple[WornSide, WornSide]:
    """Draw wear of corners, edges and surface for these grades; both prints straight, without centering."""
    depths_mm = _edge_depths_mm(min(grades["edges"], grades["corners"]))
    return wear_of_amounts(random, draw_amounts(random, grades), size=size, corner_mm=corner_mm, depths_mm=depths_mm)


def wear_of_amounts(
    random: Generator, amounts: WearAmounts, *, size: CardSize, corner_mm: float, depths_mm: tuple[float, float]
) -> tuple[WornSide, WornSide]:
    """Draw wear of these amounts, front and back; both prints straight, without centering.

    depths_mm  range of the depth of edge whitening
    """
    nominal_rim = CardRim(size, (corner_mm,) * 4)
    rim = draw_worn_rim(random, nominal_rim, amounts)
    bend_defects, crease_defects = draw_bends(random, rim, amounts), draw_creases(random, size, amounts)
    rims: dict[SideName, CardRim] = {"front": rim, "back": rim.mirrored()}
    sides = []
    for side, side_rim in rims.items():
        defects = [
            *draw_surface_wear(random, size, amounts, side),
            *crease_defects[side],
            *bend_defects[side],
            *draw_edge_wear(random, side_rim, "edge_whitening", amounts.get(side, "whitening_mm"), depths_mm),
            *draw_edge_wear(
                random,
                side_rim,
                "edge_chip",
                amounts.get(side, "chipping_mm"),
                (2.0 * depths_mm[0], 1.7 * depths_mm[1]),
            ),
            *draw_corner_whitening(random, side_rim, amounts.get(side, "whitening_mm2")),
            *rim_defects(side_rim, corner_mm, nominal_rim),
        ]
        sides.append(WornSide(summarize_defects(defects, size), side_rim, Placement((0.0, 0.0), 0.0)))
    return sides[0], sides[1]


def _edge_depths_mm(grade: int) -> tuple[float, float]:
    """Range of the depth of edge whitening, mm: slight on a good card, deep on a poor one."""
    return 0.07 + 0.012 * (10 - grade), 0.14 + 0.045 * (10 - grade)


def _with_centering(side: WornSide, frame: FrameSize | None, placement: Placement, size: CardSize) -> WornSide:
    if frame is None:
        return WornSide(side.wear.model_copy(update={"centering_reason": BORDERLESS}), side.rim, placement)
    changes = {
        "centering": centering_truth(placement, frame, size),
        "centering_reason": "",
        "defects": [*side.wear.defects, *miscut_defects(placement, frame, size)],
    }
    return WornSide(side.wear.model_copy(update=changes), side.rim, placement)


def summarize_defects(defects: Sequence[Defect], size: CardSize) -> SideWear:
    """Sum one side's defects into the measures that grades are computed from."""

    def total(kind: DefectKind, amount: str, part: tuple[str, int] | None = None) -> float:
        matching = [d for d in defects if d.kind == kind and (part is None or getattr(d, part[0]) == part[1])]
        return rounded(sum(getattr(defect, amount) for defect in matching))

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
            worst_mm=_deepest_point([defect for defect in defects if defect.edge == edge]),
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
        centering_reason="unknown",
        defects=list(defects),
        corners=corners,
        edges=edges,
        surface=surface,
    )


def _deepest_point(defects: list[Defect]) -> Point | None:
    return max(defects, key=lambda defect: defect.depth_mm).at_mm if defects else None
