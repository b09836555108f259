"""Everything that is measured on one side of a card: centering, corners, edges, surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.image.detection import Kind
from engine.image.rectify import CardSize, card_size
from engine.measure.card_edges import Edge, find_edges, refined_quad
from engine.measure.centering.centering import Centering, NoCentering, border_widths, measure_centering
from engine.measure.flat_card import MOST_PX_PER_MM, Flat, lay_flat
from engine.measure.surface.surface import NoSurface, Surface, measure_surface
from engine.measure.wear.bare_stock import bare_stock, border_colours, border_widths_along
from engine.measure.wear.corners import Corner, corner_columns, measure_corners
from engine.measure.wear.edges import EdgeWear, measure_edges
from engine.measure.wear.missing_stock import ground_within
from engine.measure.wear.rounding import find_roundings, norm_of, sharpened
from engine.measure.wear.stains import Stain, find_stains
from engine.measure.wear.unrolled_rim import unroll

RELAY_MM = 0.05
LEAST_RIM_PX_PER_MM = 5.0


@dataclass(frozen=True)
class SideMeasured:
    """One side of a card.

    quad               (4, 2) pixels of the picture: the card's corners, its edges located to a part of a pixel
    edges_seen         (4,) bool: which physical edges stand out from the ground, top first
    corners, edges     four each, clockwise from the top left and from the top; None where the resolution hides wear
    stains             on the printed border; None where that is unknown
    """

    quad: np.ndarray
    px_per_mm: float
    edges_seen: np.ndarray
    centering: Centering | NoCentering
    corners: list[Corner] | None
    edges: list[EdgeWear] | None
    surface: Surface | NoSurface
    stains: list[Stain] | None


def measure_side(
    rgb: np.ndarray,
    quad: np.ndarray,
    size: CardSize,
    kind: Kind,
    *,
    corner_norm_mm: float | None = None,
    most_px_per_mm: float = MOST_PX_PER_MM,
) -> SideMeasured:
    """Measure one side of a card in a picture: about a third of a second at 12 px/mm.

    rgb             (H, W, 3) uint8, the upright picture
    quad            (4, 2) pixels of the card's corners, clockwise from the printed top left; good to a millimetre
    corner_norm_mm  the radius this type of card is cut to; None tells it from the corners: 0 or 3 mm
    """
    laid = lay_by_edges(rgb, quad, size, kind, most_px_per_mm=most_px_per_mm)
    return measure_laid(*laid, corner_norm_mm=corner_norm_mm)


def measure_found(
    rgb: np.ndarray, quad: np.ndarray, kind: Kind, *, most_px_per_mm: float = MOST_PX_PER_MM
) -> SideMeasured:
    """Measure a side of a card of which nothing is known but where it was found; otherwise as `measure_side`."""
    size = card_size(quad, picture_size=rgb.shape[:2])
    return measure_side(rgb, quad, size, kind, most_px_per_mm=most_px_per_mm)


def measure_laid(flat: Flat, edges: list[Edge], *, corner_norm_mm: float | None = None) -> SideMeasured:
    """Measure one side of a card that `lay_by_edges` has laid flat; otherwise as `measure_side`."""
    centering = measure_centering(flat, edges)
    tilt = centering.tilt_deg if isinstance(centering, Centering) else 0.0
    corners, edge_wear, stains = None, None, None
    if flat.px_per_mm >= LEAST_RIM_PX_PER_MM:
        corners, edge_wear, stains = _rim_wear(flat, edges, centering, corner_norm_mm)
    return SideMeasured(
        quad=refined_quad(flat, edges),
        px_per_mm=flat.px_per_mm,
        edges_seen=np.array([edge.seen for edge in edges]),
        centering=centering,
        corners=corners,
        edges=edge_wear,
        surface=measure_surface(flat, print_tilt_deg=tilt),
        stains=stains,
    )


def lay_by_edges(
    rgb: np.ndarray, quad: np.ndarray, size: CardSize, kind: Kind, *, most_px_per_mm: float = MOST_PX_PER_MM
) -> tuple[Flat, list[Edge]]:
    """A card laid flat by its physical edges, and those: once by the quad given, once more by what that showed."""
    flat = lay_flat(rgb, quad, size, kind, most_px_per_mm=most_px_per_mm)
    edges = find_edges(flat)
    if all(abs(float(edge.depth_at(np.array([place]))[0])) < RELAY_MM for edge in edges for place in _ends(edge)):
        return flat, edges
    better = lay_flat(rgb, refined_quad(flat, edges), size, kind, most_px_per_mm=most_px_per_mm)
    return better, find_edges(better)


def _ends(edge: Edge) -> tuple[float, float]:
    return 0.1 * edge.length_mm, 0.9 * edge.length_mm


def _rim_wear(
    flat: Flat, edges: list[Edge], centering: Centering | NoCentering, corner_norm_mm: float | None
) -> tuple[list[Corner], list[EdgeWear], list[Stain] | None]:
    roundings = find_roundings(flat, edges)
    norm = norm_of(roundings) if corner_norm_mm is None else corner_norm_mm
    rough = unroll(flat, edges, [norm if r.radius_mm is None else r.radius_mm for r in roundings])
    roundings = sharpened(rough, roundings)
    rim = unroll(flat, edges, [norm if r.radius_mm is None else r.radius_mm for r in roundings])
    ends = np.full((4, 2), np.nan)
    if isinstance(centering, Centering):
        ends = border_widths(centering.physical, centering.printed)
    widths = border_widths_along(rim, ends)
    border = border_colours(rim, widths)
    stock = bare_stock(rim, widths, border, ground_within(rim, roundings, border))
    columns = corner_columns(rim, stock)
    corners = measure_corners(rim, stock, roundings, columns, norm)
    return corners, measure_edges(rim, stock, columns), find_stains(rim, widths, border)
