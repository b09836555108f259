"""Measurements of one side of a card, with the user's line correction if there is one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from app.grading.line_corrections import Correction
from engine.errors import BadInput
from engine.image.card_coordinates import apply_homography, corners_mm
from engine.image.rectify import CardSize, card_size
from engine.inference.predict import PictureWithDetection
from engine.measure.card_edges import CardEdge
from engine.measure.centering.centering import MeasuredCentering, NoCentering, centering_from_lines
from engine.measure.flat_card import CORNERS, SIDES, FlatCard, points_along_side, rectify_with_margin
from engine.measure.side.measure_side import measure_rectified_side, rectify_by_edges
from engine.measure.surface.surface import NoSurface, Surface
from engine.measure.wear.corners import CornerWear
from engine.measure.wear.edges import EdgeWear
from engine.measure.wear.stains import Stain

Point = tuple[float, float]


@dataclass(frozen=True)
class MeasuredSide:
    """Measurements of one side, in millimeters on `flat`.

    outline             (4, 2, 2) measured physical edges: top, right, bottom, left
    measured_centering  centering without any correction, or the reason why it could not be measured
    corners, edges      four each, clockwise from the top left and from the top
    stains              on the printed border; None if not measured
    correction          the user's line correction, if any
    """

    flat: FlatCard
    outline: np.ndarray
    measured_centering: MeasuredCentering | NoCentering
    corners: list[CornerWear]
    edges: list[EdgeWear]
    surface: Surface | NoSurface
    stains: list[Stain] | None
    correction: Correction | None = None

    @property
    def px_per_mm(self) -> float:
        """Resolution of the flat card."""
        return self.flat.px_per_mm

    @property
    def centering(self) -> MeasuredCentering | NoCentering:
        """The centering in effect: the corrected one if there is a correction, else the measured one."""
        if self.correction is None:
            return self.measured_centering
        return centering_from_lines(self.correction.physical, self.correction.printed)


def measure_side(picture: PictureWithDetection, correction: Correction | None = None) -> MeasuredSide:
    """Measure one side of a card.

    correction  if given, its quad replaces the detected one, and millimeters count on it
    """
    if correction is None:
        quad, size = picture.detection.quad, card_size(picture.detection.quad, picture_size=picture.rgb.shape[:2])
    else:
        quad, size = correction.quad, correction.size
    measured = _measure_on_quad(picture, quad, size)
    if correction is None:
        return measured
    flat = rectify_with_margin(picture.rgb, quad, size, picture.detection.kind)
    return replace(_on_flat(measured, flat), correction=correction)


def _measure_on_quad(picture: PictureWithDetection, quad: np.ndarray, size: CardSize) -> MeasuredSide:
    flat, edges = rectify_by_edges(picture.rgb, quad, size, picture.detection.kind)
    outline = np.stack([_edge_line(flat, edge) for edge in edges])
    try:
        side = measure_rectified_side(flat, edges)
    except BadInput as error:
        reason = str(error)
        return MeasuredSide(
            flat, outline, NoCentering(reason), *_unmeasured_wear(size, reason), NoSurface(reason), None
        )
    too_coarse = "the picture is too small to measure wear; scan at 300 dpi or photograph from closer"
    corners, wear = _unmeasured_wear(size, too_coarse)
    return MeasuredSide(
        flat, outline, side.centering, side.corners or corners, side.edges or wear, side.surface, side.stains
    )


def _unmeasured_wear(size: CardSize, reason: str) -> tuple[list[CornerWear], list[EdgeWear]]:
    """Four corners and four edges without measurements, each with the reason."""
    points = [(float(x), float(y)) for x, y in corners_mm(size)]
    corners = [
        CornerWear(name, point, None, None, None, None, reason) for name, point in zip(CORNERS, points, strict=True)
    ]
    return corners, [EdgeWear(name, None, None, None, None, (), reason) for name in SIDES]


def _edge_line(flat: FlatCard, edge: CardEdge) -> np.ndarray:
    """(2, 2) mm: two points of an edge, at a tenth and nine tenths of its length."""
    ends = np.array([0.1, 0.9]) * edge.length_mm
    return points_along_side(edge.side, ends, edge.depth_at(ends), flat.size)


def _on_flat(measured: MeasuredSide, flat: FlatCard) -> MeasuredSide:
    """The same measurements in the millimeters of another flat card of the same picture."""
    homography = np.linalg.inv(flat.homography) @ measured.flat.homography

    def map_points(points: np.ndarray) -> np.ndarray:
        return apply_homography(homography, points)

    def map_point(point: Point) -> Point:
        x, y = map_points(np.array(point))
        return float(x), float(y)

    centering, surface, stains = measured.measured_centering, measured.surface, measured.stains
    if isinstance(centering, MeasuredCentering):
        centering = replace(centering, physical=map_points(centering.physical), printed=map_points(centering.printed))
    if isinstance(surface, Surface):
        defects = (replace(defect, points_mm=map_points(defect.points_mm)) for defect in surface.defects)
        surface = replace(surface, defects=tuple(defects))
    if stains is not None:
        stains = [replace(stain, at_mm=map_point(stain.at_mm)) for stain in stains]
    return MeasuredSide(
        flat=flat,
        outline=map_points(measured.outline),
        measured_centering=centering,
        corners=[replace(corner, at_mm=map_point(corner.at_mm)) for corner in measured.corners],
        edges=[
            replace(edge, nicks=tuple(replace(nick, at_mm=map_point(nick.at_mm)) for nick in edge.nicks))
            for edge in measured.edges
        ],
        surface=surface,
        stains=stains,
    )
