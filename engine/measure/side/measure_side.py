"""All measurements of one side of a card: centering, corners, edges, surface, stains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.image.detection import PictureKind
from engine.image.rectify import CardSize, card_size
from engine.measure.card_edges import CardEdge, find_edges, refined_quad
from engine.measure.centering.centering import MeasuredCentering, NoCentering, border_widths, measure_centering
from engine.measure.flat_card import MAX_PX_PER_MM, FlatCard, rectify_with_margin
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


@dataclass(frozen=True)
class SideMeasurements:
    """Measurements of one side of a card.

    quad               (4, 2) pixels of the picture: the card's corners, its edges located to sub-pixel accuracy
    visible_edges      (4,) bool: the physical edges that contrast with the background, top first
    corners, edges     four each, clockwise from the top left and from the top; None if the resolution is too low
    stains             on the printed border; None if they cannot be measured
    corner_evidence    (4,) that background is visible beyond the card's rounded corners, -1 to 1: of a measured corner,
                       how surely it is the card's and not that of a holder or of a printed frame
    """

    quad: np.ndarray
    px_per_mm: float
    visible_edges: np.ndarray
    centering: MeasuredCentering | NoCentering
    corners: list[CornerWear] | None
    edges: list[EdgeWear] | None
    surface: Surface | NoSurface
    stains: list[Stain] | None
    corner_evidence: np.ndarray


def measure_side(
    rgb: np.ndarray,
    quad: np.ndarray,
    size: CardSize,
    kind: PictureKind,
    *,
    nominal_radius_mm: float | None = None,
    max_px_per_mm: float = MAX_PX_PER_MM,
) -> SideMeasurements:
    """Measure one side of a card in a picture: about a third of a second at 12 px/mm.

    rgb                (H, W, 3) uint8, the upright picture
    quad               (4, 2) pixels of the card's corners, clockwise from the printed top left; accurate to 1 mm
    nominal_radius_mm  corner radius of this type of card; None infers it from the corners: 0 or 3 mm
    """
    rectified = rectify_by_edges(rgb, quad, size, kind, max_px_per_mm=max_px_per_mm)
    return measure_rectified_side(*rectified, nominal_radius_mm=nominal_radius_mm)


def measure_detected_side(
    rgb: np.ndarray, quad: np.ndarray, kind: PictureKind, *, max_px_per_mm: float = MAX_PX_PER_MM
) -> SideMeasurements:
    """Measure one side of a detected card whose size is estimated from its quad; otherwise as `measure_side`."""
    size = card_size(quad, picture_size=rgb.shape[:2])
    return measure_side(rgb, quad, size, kind, max_px_per_mm=max_px_per_mm)


def measure_rectified_side(
    card: FlatCard, edges: list[CardEdge], *, nominal_radius_mm: float | None = None
) -> SideMeasurements:
    """Measure one side of a card rectified by `rectify_by_edges`; otherwise as `measure_side`."""
    centering = measure_centering(card, edges)
    tilt = centering.tilt_deg if isinstance(centering, MeasuredCentering) else 0.0
    corners, edge_wear, stains = None, None, None
    if card.px_per_mm >= MIN_RIM_PX_PER_MM:
        corners, edge_wear, stains = _measure_rim(card, edges, centering, nominal_radius_mm)
    return SideMeasurements(
        quad=refined_quad(card, edges),
        px_per_mm=card.px_per_mm,
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
    nested = find_nested_card(card)
    if nested is not None:
        quad = quad_of_lines(card, nested)
        size = card_size(quad, picture_size=rgb.shape[:2])
        card = rectify_with_margin(rgb, quad, size, kind, max_px_per_mm=max_px_per_mm)
    edges = find_edges(card)
    if all(
        abs(float(edge.depth_at(np.array([along]))[0])) < MAX_EDGE_OFFSET_MM for edge in edges for along in _ends(edge)
    ):
        return card, edges
    refined = rectify_with_margin(rgb, refined_quad(card, edges), size, kind, max_px_per_mm=max_px_per_mm)
    return refined, find_edges(refined)


def _line(edge: CardEdge) -> EdgeLine:
    """The straight line through the ends of an edge."""
    first, last = edge.depth_at(np.array([0.0, edge.length_mm]))
    return EdgeLine(float(first + last) / 2, float(last - first) / edge.length_mm)


def _ends(edge: CardEdge) -> tuple[float, float]:
    return 0.1 * edge.length_mm, 0.9 * edge.length_mm


def _measure_rim(
    card: FlatCard,
    edges: list[CardEdge],
    centering: MeasuredCentering | NoCentering,
    nominal_radius_mm: float | None,
) -> tuple[list[CornerWear], list[EdgeWear], list[Stain] | None]:
    roundings = measure_roundings(card, edges)
    nominal = nominal_radius(roundings) if nominal_radius_mm is None else nominal_radius_mm
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
