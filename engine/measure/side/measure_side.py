"""All measurements of one side of a card: centering, corners, edges, surface, stains."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from engine.image.card_coordinates import apply_homography, corners_mm
from engine.image.detection import PictureKind
from engine.image.rectify import CardSize, card_size
from engine.measure.card_edges import CardEdge, find_edges, refined_quad
from engine.measure.centering.centering import MeasuredCentering, NoCentering, border_widths, measure_centering
from engine.measure.flat_card import (
    CORNERS,
    MARGIN_MM,
    MAX_PX_PER_MM,
    SIDES,
    FlatCard,
    points_along_side,
    rectify_with_margin,
)
from engine.measure.nested_edges import EdgeLine, corner_evidence, find_nested_card, quad_of_lines
from engine.measure.surface.surface import NoSurface, Surface, measure_surface
from engine.measure.wear.bare_stock import border_colors, border_widths_along, find_bare_stock
from engine.measure.wear.corners import CornerWear, corner_columns, measure_corners
from engine.measure.wear.edges import EdgeWear, measure_edges
from engine.measure.wear.missing_stock import find_missing_stock
from engine.measure.wear.rounding import measure_roundings, nominal_radius, refine_radii
from engine.measure.wear.stains import Stain, find_stains
from engine.measure.wear.unrolled_rim import unroll_rim

# The card is rectified a second time if an edge is off the quad by this much.
MAX_EDGE_OFFSET_MM = 0.05
MIN_RIM_PX_PER_MM = 5.0
TOO_COARSE_FOR_WEAR = "the picture is too small to measure wear; scan at 300 dpi or photograph from closer"


@dataclass(frozen=True)
class SideMeasurements:
    """Measurements of one side of a card, in millimeters on `flat`.

    quad               (4, 2) pixels of the picture: the card's corners, its edges located to sub-pixel accuracy
    outline            (4, 2, 2) mm: two points each of the physical top, right, bottom and left edge
    visible_edges      (4,) bool: the physical edges that contrast with the background, top first
    corners, edges     four each, clockwise from the top left and from the top
    stains             on the printed border; None if they cannot be measured
    corner_evidence    (4,) that background is visible beyond the card's rounded corners, -1 to 1: of a measured corner,
                       how surely it is the card's and not that of a holder or of a printed frame
    """

    flat: FlatCard
    quad: np.ndarray
    outline: np.ndarray
    visible_edges: np.ndarray
    centering: MeasuredCentering | NoCentering
    corners: list[CornerWear]
    edges: list[EdgeWear]
    surface: Surface | NoSurface
    stains: list[Stain] | None
    corner_evidence: np.ndarray

    @property
    def px_per_mm(self) -> float:
        """Resolution of the flat card."""
        return self.flat.px_per_mm

    def on(self, flat: FlatCard) -> SideMeasurements:
        """The same measurements in the millimeters of another flat card of the same picture."""
        homography = np.linalg.inv(flat.homography) @ self.flat.homography

        def map_points(points: np.ndarray) -> np.ndarray:
            return apply_homography(homography, points)

        def map_point(point: tuple[float, float]) -> tuple[float, float]:
            x, y = map_points(np.array(point))
            return float(x), float(y)

        centering, surface, stains = self.centering, self.surface, self.stains
        if isinstance(centering, MeasuredCentering):
            physical, printed = map_points(centering.physical), map_points(centering.printed)
            centering = replace(centering, physical=physical, printed=printed)
        if isinstance(surface, Surface):
            defects = tuple(replace(defect, points_mm=map_points(defect.points_mm)) for defect in surface.defects)
            lines = tuple(replace(line, points_mm=map_points(line.points_mm)) for line in surface.lines)
            surface = replace(surface, defects=defects, lines=lines)
        if stains is not None:
            stains = [replace(stain, at_mm=map_point(stain.at_mm)) for stain in stains]
        edges = [
            replace(edge, nicks=tuple(replace(nick, at_mm=map_point(nick.at_mm)) for nick in edge.nicks))
            for edge in self.edges
        ]
        return SideMeasurements(
            flat=flat,
            quad=self.quad,
            outline=map_points(self.outline),
            visible_edges=self.visible_edges,
            centering=centering,
            corners=[replace(corner, at_mm=map_point(corner.at_mm)) for corner in self.corners],
            edges=edges,
            surface=surface,
            stains=stains,
            corner_evidence=self.corner_evidence,
        )


def measure_side(
    rgb: np.ndarray,
    quad: np.ndarray,
    size: CardSize,
    kind: PictureKind,
    *,
    max_px_per_mm: float = MAX_PX_PER_MM,
) -> SideMeasurements:
    """Measure one side of a card in a picture: about a third of a second at 12 px/mm.

    rgb   (H, W, 3) uint8, the upright picture
    quad  (4, 2) pixels of the card's corners, clockwise from the printed top left; accurate to 1 mm
    """
    return measure_rectified_side(*rectify_by_edges(rgb, quad, size, kind, max_px_per_mm=max_px_per_mm))


def measure_detected_side(
    rgb: np.ndarray, quad: np.ndarray, kind: PictureKind, *, max_px_per_mm: float = MAX_PX_PER_MM
) -> SideMeasurements:
    """Measure one side of a detected card whose size is estimated from its quad; otherwise as `measure_side`."""
    size = card_size(quad, picture_size=rgb.shape[:2])
    return measure_side(rgb, quad, size, kind, max_px_per_mm=max_px_per_mm)


def measure_rectified_side(card: FlatCard, edges: list[CardEdge]) -> SideMeasurements:
    """Measure one side of a card rectified by `rectify_by_edges`; otherwise as `measure_side`."""
    centering = measure_centering(card, edges)
    tilt = centering.tilt_deg if isinstance(centering, MeasuredCentering) else 0.0
    if card.px_per_mm >= MIN_RIM_PX_PER_MM:
        corners, edge_wear, stains = _measure_rim(card, edges, centering)
    else:
        (corners, edge_wear), stains = _unmeasured_rim(card.size), None
    return SideMeasurements(
        flat=card,
        quad=refined_quad(card, edges),
        outline=np.stack([_edge_line(card, edge) for edge in edges]),
        visible_edges=np.array([edge.visible for edge in edges]),
        centering=centering,
        corners=corners,
        edges=edge_wear,
        surface=measure_surface(card, print_tilt_deg=tilt),
        stains=stains,
        corner_evidence=corner_evidence(card, [_line(edge) for edge in edges]),
    )


def rectify_by_edges(
    rgb: np.ndarray, quad: np.ndarray, size: CardSize, kind: PictureKind, *, max_px_per_mm: float = MAX_PX_PER_MM
) -> tuple[FlatCard, list[CardEdge]]:
    """Rectify a card by its quad and find its physical edges; if they are off the quad, rectify again by them.

    If the quad is the rim of a holder, the card inside of it is measured, and its size is estimated anew.
    """
    card = rectify_with_margin(rgb, quad, size, kind, max_px_per_mm=max_px_per_mm)
    return refine_by_edges(rgb, card, max_px_per_mm=max_px_per_mm)


def refine_by_edges(
    rgb: np.ndarray, card: FlatCard, *, max_px_per_mm: float = MAX_PX_PER_MM, wide_margin_mm: float = MARGIN_MM
) -> tuple[FlatCard, list[CardEdge]]:
    """Find the physical edges of a card rectified from `rgb`; otherwise as `rectify_by_edges`."""
    rectify_again = partial(
        rectify_with_margin, rgb, kind=card.kind, max_px_per_mm=max_px_per_mm, wide_margin_mm=wide_margin_mm
    )
    nested = find_nested_card(card)
    if nested is not None:
        quad = quad_of_lines(card, nested)
        card = rectify_again(quad, card_size(quad, picture_size=rgb.shape[:2]))
    edges = find_edges(card)
    if all(
        abs(float(edge.depth_at(np.array([along]))[0])) < MAX_EDGE_OFFSET_MM for edge in edges for along in _ends(edge)
    ):
        return card, edges
    refined = rectify_again(refined_quad(card, edges), card.size)
    return refined, find_edges(refined)


def _line(edge: CardEdge) -> EdgeLine:
    """The straight line through the ends of an edge."""
    first, last = edge.depth_at(np.array([0.0, edge.length_mm]))
    return EdgeLine(float(first + last) / 2, float(last - first) / edge.length_mm)


def _ends(edge: CardEdge) -> tuple[float, float]:
    return 0.1 * edge.length_mm, 0.9 * edge.length_mm


def _edge_line(card: FlatCard, edge: CardEdge) -> np.ndarray:
    """(2, 2) mm: two points of an edge, near its ends."""
    ends = np.array(_ends(edge))
    return points_along_side(edge.side, ends, edge.depth_at(ends), card.size)


def _unmeasured_rim(size: CardSize) -> tuple[list[CornerWear], list[EdgeWear]]:
    """Corners and edges of a card whose resolution is too low for them."""
    points = [(float(x), float(y)) for x, y in corners_mm(size)]
    corners = [
        CornerWear(name, point, None, None, None, None, TOO_COARSE_FOR_WEAR)
        for name, point in zip(CORNERS, points, strict=True)
    ]
    return corners, [EdgeWear(name, None, None, None, None, (), TOO_COARSE_FOR_WEAR) for name in SIDES]


def _measure_rim(
    card: FlatCard, edges: list[CardEdge], centering: MeasuredCentering | NoCentering
) -> tuple[list[CornerWear], list[EdgeWear], list[Stain] | None]:
    roundings = measure_roundings(card, edges)
    nominal = nominal_radius(roundings)
    # Unrolled twice: the first rim refines the corner radii that the second is unrolled by.
    first_rim = unroll_rim(card, edges, [nominal if r.radius_mm is None else r.radius_mm for r in roundings])
    roundings = refine_radii(first_rim, roundings)
    rim = unroll_rim(card, edges, [nominal if r.radius_mm is None else r.radius_mm for r in roundings])
    ends = np.full((4, 2), np.nan)
    if isinstance(centering, MeasuredCentering):
        ends = border_widths(centering.physical, centering.printed)
    widths = border_widths_along(rim, ends)
    border = border_colors(rim, widths)
    stock = find_bare_stock(rim, widths, border, find_missing_stock(rim, roundings, border))
    columns = corner_columns(rim, stock)
    corners = measure_corners(rim, stock, roundings, columns, nominal)
    return corners, measure_edges(rim, stock, columns), find_stains(rim, widths, border)
