"""One side of a card measured: by the program, or along the lines that a person laid over it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from app.grading.line_corrections import Correction
from engine.errors import BadInput
from engine.image.card_coordinates import corners_mm, mapped
from engine.image.rectify import CardSize, card_size
from engine.inference.predict import View
from engine.measure.card_edges import Edge
from engine.measure.centering.centering import Centering, NoCentering, from_lines
from engine.measure.flat_card import CORNERS, SIDES, Flat, lay_flat, point_at
from engine.measure.side.measure_side import LEAST_RIM_PX_PER_MM, lay_by_edges, measure_laid
from engine.measure.surface.surface import NoSurface, Surface
from engine.measure.wear.corners import Corner
from engine.measure.wear.edges import EdgeWear
from engine.measure.wear.stains import Stain

Point = tuple[float, float]


@dataclass(frozen=True)
class Measured:
    """What a side of a card measures, all of it in millimetres on `flat`.

    outline    (4, 2, 2) the physical edges as the program sees them: top, right, bottom, left
    found      centering as the program measures it, or why it does not
    corners, edges  four each, clockwise from the top left and from the top
    stains     on the printed border; None where that is not known
    correction the lines of a person, where they hold
    """

    flat: Flat
    outline: np.ndarray
    found: Centering | NoCentering
    corners: list[Corner]
    edges: list[EdgeWear]
    surface: Surface | NoSurface
    stains: list[Stain] | None
    correction: Correction | None = None

    @property
    def px_per_mm(self) -> float:
        """Of the card laid flat."""
        return self.flat.px_per_mm

    @property
    def centering(self) -> Centering | NoCentering:
        """The centering that holds: a person's word before the program's."""
        if self.correction is None:
            return self.found
        return from_lines(self.correction.physical, self.correction.printed)


def measure(view: View, correction: Correction | None = None) -> Measured:
    """Measure a side that was found in its picture.

    correction  where it holds, the card lies where a person said and millimetres are counted there
    """
    if correction is None:
        quad, size = view.found.quad, card_size(view.found.quad, picture_size=view.rgb.shape[:2])
    else:
        quad, size = correction.quad, correction.size
    measured = _measure(view, quad, size)
    if correction is None:
        return measured
    laid = lay_flat(view.rgb, quad, size, view.found.kind)
    return replace(_moved(measured, laid), correction=correction)


def _measure(view: View, quad: np.ndarray, size: CardSize) -> Measured:
    flat, edges = lay_by_edges(view.rgb, quad, size, view.found.kind)
    outline = np.stack([_line(flat, edge) for edge in edges])
    try:
        side = measure_laid(flat, edges)
    except BadInput as error:
        refused = str(error)
        return Measured(flat, outline, NoCentering(refused), *_no_rim(size, refused), NoSurface(refused), None)
    corners, wear = _no_rim(size, f"{flat.px_per_mm:.1f} px/mm; wear can be measured from {LEAST_RIM_PX_PER_MM:g} on")
    return Measured(
        flat, outline, side.centering, side.corners or corners, side.edges or wear, side.surface, side.stains
    )


def _no_rim(size: CardSize, reason: str) -> tuple[list[Corner], list[EdgeWear]]:
    """Four corners and four edges of which nothing is known, and why."""
    places = [(float(x), float(y)) for x, y in corners_mm(size)]
    corners = [Corner(name, place, None, None, None, None, reason) for name, place in zip(CORNERS, places, strict=True)]
    return corners, [EdgeWear(name, None, None, None, None, (), reason) for name in SIDES]


def _line(flat: Flat, edge: Edge) -> np.ndarray:
    """(2, 2) mm: where an edge runs, at a tenth and nine tenths of its length."""
    ends = np.array([0.1, 0.9]) * edge.length_mm
    return point_at(edge.side, ends, edge.depth_at(ends), flat.size)


def _moved(measured: Measured, onto: Flat) -> Measured:
    """The same places counted on another flat of the same picture."""
    by = np.linalg.inv(onto.to_picture) @ measured.flat.to_picture

    def moved(points: np.ndarray) -> np.ndarray:
        return mapped(by, points)

    def at(point: Point) -> Point:
        x, y = moved(np.array(point))
        return float(x), float(y)

    found, surface, stains = measured.found, measured.surface, measured.stains
    if isinstance(found, Centering):
        found = replace(found, physical=moved(found.physical), printed=moved(found.printed))
    if isinstance(surface, Surface):
        surface = replace(surface, finds=tuple(replace(f, points_mm=moved(f.points_mm)) for f in surface.finds))
    if stains is not None:
        stains = [replace(stain, at_mm=at(stain.at_mm)) for stain in stains]
    return Measured(
        flat=onto,
        outline=moved(measured.outline),
        found=found,
        corners=[replace(corner, at_mm=at(corner.at_mm)) for corner in measured.corners],
        edges=[
            replace(edge, nicks=tuple(replace(nick, at_mm=at(nick.at_mm)) for nick in edge.nicks))
            for edge in measured.edges
        ],
        surface=surface,
        stains=stains,
    )
