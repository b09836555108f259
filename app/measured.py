"""One side of a card measured: by the program, or along the lines that a person laid over it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.corrections import Correction
from engine.errors import BadInput
from engine.image.rectify import card_size
from engine.measure.centering import Centering, NoCentering, border_widths, from_lines, measure_centering
from engine.measure.corners import Corner, corner_columns, measure_corners
from engine.measure.edges import EdgeWear, measure_edges
from engine.measure.flat import CORNERS, SIDES, Flat, lay_flat, point_at
from engine.measure.gone import ground_within
from engine.measure.outline import Edge, find_edges
from engine.measure.rim import unroll
from engine.measure.rounding import find_roundings, norm_of, sharpened
from engine.measure.stock import bare_stock, border_colours, border_widths_along
from engine.predict import View

NO_SURFACE = "this version does not look for scratches, creases and stains"
SQUARE_MM = 0.0
# At 4 pixels a millimetre a line is looked for in so few rows that on four of seven cards none was seen along a side.
LEAST_PX_PER_MM = 5.0


@dataclass(frozen=True)
class Measured:
    """What a side of a card measures.

    flat      the card laid flat: all millimetres are counted on it
    outline   (4, 2, 2) mm: the physical edges as the program sees them: top, right, bottom, left
    found     centering as the program measures it, or why it does not
    corners, edges  four each, clockwise from the top left and from the top
    correction      the lines of a person, where they hold
    """

    flat: Flat
    outline: np.ndarray
    found: Centering | NoCentering
    corners: list[Corner]
    edges: list[EdgeWear]
    correction: Correction | None

    @property
    def centering(self) -> Centering | NoCentering:
        """The centering that holds: a person's word before the program's."""
        if self.correction is None:
            return self.found
        return from_lines(self.correction.physical, self.correction.printed)


def measure(view: View, correction: Correction | None = None) -> Measured:
    """Measure a side that was found in its picture."""
    quad = view.found.quad if correction is None else correction.quad
    size = card_size(quad, picture_size=view.rgb.shape[:2]) if correction is None else correction.size
    flat = lay_flat(view.rgb, quad, size, view.found.kind)
    if flat.px_per_mm < LEAST_PX_PER_MM:
        return _too_coarse(flat, correction)
    edges = find_edges(flat)
    found = _centering(flat, edges)
    corners, wear = _rim(flat, edges, found)
    outline = np.stack([_line(flat, edge) for edge in edges])
    return Measured(flat, outline, found, corners, wear, correction)


def _too_coarse(flat: Flat, correction: Correction | None) -> Measured:
    """A picture that shows too little to measure on; a person may still lay lines over it."""
    reason = (
        f"the picture shows {flat.px_per_mm:.1f} pixels of a millimetre, measuring needs {LEAST_PX_PER_MM:g}; "
        "take it from nearer or scan it finer"
    )
    width, height = flat.size.width_mm, flat.size.height_mm
    vertices = np.array([(0, 0), (width, 0), (width, height), (0, height)])
    outline = np.stack([vertices, np.roll(vertices, -1, axis=0)], axis=1)
    corners = [
        Corner(name, (float(x), float(y)), None, None, None, None, reason)
        for name, (x, y) in zip(CORNERS, vertices, strict=True)
    ]
    edges = [EdgeWear(name, None, None, None, None, (), reason) for name in SIDES]
    return Measured(flat, outline, NoCentering(reason), corners, edges, correction)


def _centering(flat: Flat, edges: list[Edge]) -> Centering | NoCentering:
    try:
        return measure_centering(flat, edges)
    except BadInput as error:
        return NoCentering(str(error))


def _line(flat: Flat, edge: Edge) -> np.ndarray:
    """(2, 2) mm: where an edge runs, at a tenth and nine tenths of its length."""
    ends = np.array([0.1, 0.9]) * edge.length_mm
    return point_at(edge.side, ends, edge.depth_at(ends), flat.size)


def _rim(flat: Flat, edges: list[Edge], found: Centering | NoCentering) -> tuple[list[Corner], list[EdgeWear]]:
    roundings = find_roundings(flat, edges)
    radii = [SQUARE_MM if rounding.radius_mm is None else rounding.radius_mm for rounding in roundings]
    rim = unroll(flat, edges, radii)
    roundings = sharpened(rim, roundings)
    borders = np.full((4, 2), np.nan)
    if isinstance(found, Centering):
        borders = border_widths(found.physical, found.printed)
    widths = border_widths_along(rim, borders)
    colours = border_colours(rim, widths)
    stock = bare_stock(rim, widths, colours, ground_within(rim, roundings, colours))
    columns = corner_columns(rim, stock)
    return measure_corners(rim, stock, roundings, columns, norm_of(roundings)), measure_edges(rim, stock, columns)
