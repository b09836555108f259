"""The printed frame: on each side the first line inside the card's edge where the border ends."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from engine.measure.bands import Bands, bands_of, sharpest, speeds, steps, votes
from engine.measure.fits import Fit, robust_fit
from engine.measure.flat import SIDES, Flat
from engine.measure.outline import Edge, curve

CLEAR_OF_CORNER_MM = 5.0
DEEPEST_MM = 10.0
NARROWEST_MM = 0.45
CLEAR_STEP = 7.0
MOST_TILT_DEG = 2.4
LEAST_VOTE = 0.45
APART_MM = 0.35
CLEAR_VOTE = 0.72
LEAST_CONTRAST = 4.0
LOOK_AROUND_MM = 0.3
OUTERMOST = 0.25
LEAST_SUPPORT = 0.6
MOST_DEVIATION_MM = 0.06
MOST_CHOICES = 4
LIKE_LEAN_DEG = 0.15
MOST_LEAN_APART_DEG = 0.6
# What no fit sees: where a print's soft edge is taken to begin, and the same of the paper's.
FLOOR_MM = 0.012
FLOOR_PX = 0.08


@dataclass(frozen=True)
class Candidate:
    """A straight line that a printed frame may follow.

    border_mm  its distance from the physical edge at the middle of the side
    slope      how the distance grows along the side
    vote       share of the side, 0 to 1, along which colours change there
    contrast   median change of colour across it, Lab
    calm       mean change of colour between it and the edge, as the same share: a border is calm
    even       how much the colour just outside of it varies along the side, Lab: a border is even
    """

    border_mm: float
    slope: float
    vote: float
    contrast: float
    calm: float
    even: float


def straightened(flat: Flat, edge: Edge, depth_mm: float = DEEPEST_MM) -> Bands:
    """Bands of a side whose depths are counted from the physical edge."""
    length = edge.length_mm
    bands = bands_of(flat, edge.side, start_mm=CLEAR_OF_CORNER_MM, end_mm=length - CLEAR_OF_CORNER_MM, depth_mm=depth_mm)
    from_edge = edge.depth_at(bands.along_mm)
    middle = float(np.median(from_edge))
    shift = np.rint((from_edge - middle) / bands.row_mm).astype(int)
    rows = np.clip(np.arange(bands.lab.shape[1])[None, :] + shift[:, None], 0, bands.lab.shape[1] - 1)
    return Bands(bands.lab[np.arange(len(shift))[:, None], rows], bands.along_mm, bands.depth_mm - middle)


def candidates(bands: Bands) -> list[Candidate]:
    """Lines along a side, from the outermost inwards; bands as `straightened` gives them."""
    change = steps(bands)
    # The clearer part counts a little more, so that among lines that are all clear the clearest is the one.
    strength = 0.9 * np.minimum(change / CLEAR_STEP, 1.0) + 0.1 * np.minimum(change / (6 * CLEAR_STEP), 1.0)
    most = np.tan(np.radians(MOST_TILT_DEG))
    slopes = np.linspace(-most, most, 49)
    totals = votes(strength, bands.along_mm, bands.row_mm, slopes)
    offset = bands.depth_mm - bands.row_mm / 2
    totals[:, (offset < NARROWEST_MM) | (offset > DEEPEST_MM - 0.5)] = 0
    best, found = totals.max(axis=0), []
    for row in np.argsort(-best):
        if best[row] < LEAST_VOTE:
            break
        if all(abs(offset[row] - other.border_mm) > APART_MM for other in found):
            found.append(_described(bands, change, strength, float(offset[row]), float(slopes[totals[:, row].argmax()]), float(best[row])))
    return sorted(found, key=lambda line: line.border_mm)


def _described(bands: Bands, change: np.ndarray, strength: np.ndarray, border: float, slope: float, vote: float) -> Candidate:
    line = border + slope * (bands.along_mm - bands.along_mm.mean())
    depth = bands.depth_mm[None, :]
    at_line = np.abs(depth - bands.row_mm / 2 - line[:, None]) <= max(bands.row_mm, 0.12)
    contrast = float(np.median(np.where(at_line, change, 0).max(axis=1)))
    between = (depth > NARROWEST_MM) & (depth < line[:, None] - 0.35)
    calm = float(strength[between].mean()) if between.any() else 0.0
    outside = (depth > line[:, None] - 0.45) & (depth < line[:, None] - 0.12) & (depth > 0.1)
    weight = outside / np.maximum(outside.sum(axis=1, keepdims=True), 1)
    colours = np.einsum("br,brc->bc", weight, bands.lab)[outside.any(axis=1)]
    spread = 1.4826 * np.median(np.abs(colours - np.median(colours, axis=0)), axis=0)
    return Candidate(border, slope, vote, contrast, calm, float(np.linalg.norm(spread)))


@dataclass(frozen=True)
class Frame:
    """One side of the printed frame: its distance from the physical edge, a straight line along the side.

    fit       of 1 and x, x running from -1 to 1 along the side
    """

    side: int
    length_mm: float
    fit: Fit
    px_mm: float
    contrast: float

    def border_at(self, along_mm: np.ndarray) -> np.ndarray:
        """Border in millimetres at places along the side."""
        return np.asarray(curve(along_mm, self.length_mm)[:, :2] @ self.fit.coefficients)

    def error_at(self, along_mm: np.ndarray, edge: Edge) -> np.ndarray:
        """Standard error of the border at those places: of the frame's line, of the edge's, and what both cannot know."""
        design = curve(along_mm, self.length_mm)
        rows = [(row[:2], row) for row in design]
        known = [self.fit.error_at(line) ** 2 + edge.fit.error_at(bow) ** 2 for line, bow in rows]
        return np.asarray(np.sqrt(np.array(known) + FLOOR_MM**2 + (FLOOR_PX * self.px_mm) ** 2))

    @property
    def slope_deg(self) -> float:
        """How the frame leans against the edge, clockwise positive."""
        return float(np.degrees(np.arctan(self.fit.coefficients[1] * 2 / self.length_mm)))


@dataclass(frozen=True)
class NoFrame:
    """Why no frame was found."""

    reason: str


def find_frame(flat: Flat, edges: list[Edge]) -> list[Frame] | NoFrame:
    """The printed frame's four sides: on each the outermost clear line that all four can share."""
    sides = [_frames_on(flat, edge) for edge in edges]
    missing = [SIDES[side] for side, found in enumerate(sides) if not found]
    if len(missing) >= 2:
        return NoFrame(f"no border: the print has no frame line along {' and '.join(missing)}")
    if missing:
        return NoFrame(f"no frame line was seen along the {missing[0]} side")
    choices = product(*(range(min(len(found), MOST_CHOICES)) for found in sides))
    fours = [(sum(places), [found[place] for found, place in zip(sides, places, strict=True)]) for places in choices]
    _, best = min(fours, key=lambda choice: choice[0] + _disagreement(choice[1]))
    leans = np.array([frame.slope_deg for frame in best])
    apart = float(np.abs(leans - np.median(leans)).max())
    if apart > MOST_LEAN_APART_DEG:
        side = SIDES[int(np.abs(leans - np.median(leans)).argmax())]
        return NoFrame(f"ambiguous: the line along the {side} side leans {apart:.1f} degrees away from the other three")
    return best


def _disagreement(four: list[Frame]) -> float:
    """How far the sides lean apart, in units of what one clear line passed over is worth."""
    leans = np.array([frame.slope_deg for frame in four])
    return float(np.maximum(np.abs(leans - np.median(leans)) - LIKE_LEAN_DEG, 0.0).sum() / LIKE_LEAN_DEG)


def _frames_on(flat: Flat, edge: Edge) -> list[Frame]:
    """Every clear, straight candidate on a side, the outermost first."""
    level = straightened(flat, edge)
    clear = [line for line in candidates(level) if line.vote >= CLEAR_VOTE and line.contrast >= LEAST_CONTRAST]
    length = edge.length_mm
    bands = bands_of(
        flat, edge.side, start_mm=CLEAR_OF_CORNER_MM, end_mm=length - CLEAR_OF_CORNER_MM, depth_mm=DEEPEST_MM
    )
    from_edge = edge.depth_at(bands.along_mm)
    design = curve(bands.along_mm, length)[:, :2]
    speed = speeds(bands)
    found = []
    for line in clear:
        near = from_edge + line.border_mm + line.slope * (bands.along_mm - bands.along_mm.mean())
        seen, _ = sharpest(bands, speed, near, LOOK_AROUND_MM, outermost=OUTERMOST)
        fit = robust_fit(design, seen - from_edge, least_deviation=0.1 * bands.row_mm, per_point=0.5)
        if fit.support >= LEAST_SUPPORT and fit.deviation <= MOST_DEVIATION_MM + 0.4 * bands.row_mm:
            found.append(Frame(edge.side, length, fit, bands.row_mm, line.contrast))
    return found
