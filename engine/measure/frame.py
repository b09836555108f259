"""The printed frame: on each side the first line inside the card's edge where the border ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from engine.measure.aligned import Profile, aligned, like_line_outside, outline_begins, step_near
from engine.measure.bands import Bands, bands_of, contrasts, located, peaks, votes
from engine.measure.fits import Fit, robust_fit
from engine.measure.flat import SIDES, Flat
from engine.measure.outline import Edge, clearness, curve

CLEAR_OF_CORNER_MM = 5.0
DEEPEST_MM = 10.0
NARROWEST_MM = 0.4
CLEAR_STEP, FULL_STEP = 4.0, 40.0
MOST_TILT_DEG = 2.4
APART_MM = 0.15
CLEAR_VOTE = 0.4
LEAST_SUPPORT = 0.6
MOST_DEVIATION_MM = 0.03
MOST_CHOICES = 6
LEAST_GAP_MM, MOST_GAP_MM = 0.3, 3.0
LIKE_GAP_MM = 0.15
NEAR_GAP_MM = 0.22
UNLIKE = 0.5
LEAST_FAINT_MM = 1.2  # nearer to the edge, a faint line is more likely wear
BESIDE_MM = (0.06, 0.3)
LIGHTNESS_COUNTS = 1 / 3
MOST_BORDER_APART = 16.0
LIKE_LEAN_DEG = 0.15
LEAST_CHANGE = 4.0
CHANGE_COUNTS = 2.0
BORDER_COUNTS = 2.0
BORDER_APART = 12.0
MOST_LEAN_APART_DEG = 0.6
# What no fit sees: where a print's soft edge is taken to begin, and the same of the paper's.
FLOOR_MM = 0.012
FLOOR_PX = 0.08


@dataclass(frozen=True)
class Line:
    """A straight line that a printed frame may follow.

    border_mm  its distance from the physical edge at the middle of the side
    slope      how the distance grows along the side
    vote       how clear an edge there is along it, 0 to 1, the mean over the side
    """

    border_mm: float
    slope: float
    vote: float


def lines_along(bands: Bands, contrast: np.ndarray, from_edge: np.ndarray) -> list[Line]:
    """Lines along a side, from the outermost inwards.

    contrast   of the bands
    from_edge  (bands,) depth of the physical edge
    """
    middle = float(np.median(from_edge))
    shift = np.rint((from_edge - middle) / bands.row_mm).astype(int)
    last = contrast.shape[1] - 1
    rows = np.clip(np.arange(last + 1)[None, :] + shift[:, None], 0, last)
    strength = np.take_along_axis(clearness(peaks(contrast), CLEAR_STEP, FULL_STEP), rows, axis=1)
    most = np.tan(np.radians(MOST_TILT_DEG))
    slopes = np.linspace(-most, most, 49)
    totals = votes(strength, bands.along_mm, bands.row_mm, slopes)
    border = bands.depth_mm - middle
    totals[:, (border < NARROWEST_MM) | (border > DEEPEST_MM - 0.5)] = 0
    best, found = totals.max(axis=0), list[Line]()
    for row in np.argsort(-best):
        if best[row] < CLEAR_VOTE:
            break
        if all(abs(border[row] - other.border_mm) > APART_MM for other in found):
            found.append(Line(float(border[row]), float(slopes[totals[:, row].argmax()]), float(best[row])))
    return sorted(found, key=lambda line: line.border_mm)


@dataclass(frozen=True)
class Frame:
    """One side of the printed frame.

    fit     of its depth, as the edge's is described: a straight line and the lens's bow
    px_mm   size of a pixel
    outside, inside  (3,) Lab: the colours on either side of it
    """

    side: int
    length_mm: float
    fit: Fit
    px_mm: float
    outside: np.ndarray
    inside: np.ndarray

    def depth_at(self, along_mm: np.ndarray) -> np.ndarray:
        """Depth of the frame's line at places along the side."""
        return np.asarray(curve(along_mm, self.length_mm) @ self.fit.coefficients)

    def error_at(self, along_mm: np.ndarray, edge: Edge) -> np.ndarray:
        """Standard error of the border at those places: the frame's line's, the edge's, and what neither can know."""
        rows = curve(along_mm, self.length_mm)
        known = [self.fit.error_at(row) ** 2 + edge.fit.error_at(row) ** 2 for row in rows]
        return np.asarray(np.sqrt(np.array(known) + FLOOR_MM**2 + (FLOOR_PX * self.px_mm) ** 2))

    def moved(self, by_mm: float) -> Frame:
        """The same line, so much deeper in the card."""
        moved = self.fit.coefficients + np.array([by_mm, 0, 0])
        return replace(self, fit=replace(self.fit, coefficients=moved))

    @property
    def middle_mm(self) -> float:
        """Its depth at the middle of the side."""
        return float(self.fit.coefficients[0])

    @property
    def slope_deg(self) -> float:
        """How the frame leans, clockwise positive."""
        return float(np.degrees(np.arctan(self.fit.coefficients[1] * 2 / self.length_mm)))


@dataclass(frozen=True)
class NoFrame:
    """Why no frame was found."""

    reason: str


def find_frame(flat: Flat, edges: list[Edge]) -> list[Frame] | NoFrame:
    """The printed frame's four sides: on each the outermost clear line that all four can share."""
    looks = [_Look(flat, edge) for edge in edges]
    sides = [look.frames() for look in looks]
    missing = [SIDES[side] for side, found in enumerate(sides) if not found]
    if len(missing) >= 2:
        return NoFrame(f"no border: the print has no frame line along {' and '.join(missing)}")
    if missing:
        return NoFrame(f"no frame line was seen along the {missing[0]} side")
    choices = product(*(range(min(len(found), MOST_CHOICES)) for found in sides))
    fours = [(sum(places), [found[place] for found, place in zip(sides, places, strict=True)]) for places in choices]
    _, best = min(fours, key=lambda choice: choice[0] + _disagreement(choice[1]))
    unlike = changes_unlike(best)
    for side in np.nonzero(unlike > UNLIKE)[0]:
        fainter = (looks[side].fainter_by(best[side], gap) for gap in _gaps_of_others(best, sides, int(side)))
        best[side] = next((frame for frame in fainter if frame is not None), best[side])
    doubt = _doubt(best)
    if doubt:
        return NoFrame(doubt)
    usual = np.median([frame.inside - frame.outside for frame in best], axis=0)
    outer = [look.fainter_outside(frame, usual) for look, frame in zip(looks, best, strict=True)]
    begins = np.array([look.outline_begins(frame) for look, frame in zip(looks, outer, strict=True)])
    # All four sides are printed alike: where three or more show a thin outline, the fourth has it too.
    outline = float(np.median(begins[begins < 0])) if (begins < 0).sum() >= 3 else 0.0
    return [
        frame.moved(begin if begin < 0 and outline else outline) for frame, begin in zip(outer, begins, strict=True)
    ]


def _gaps_of_others(four: list[Frame], sides: list[list[Frame]], side: int) -> list[float]:
    """By how much a side's line may be the second of two that other sides show, the largest first.

    A print's frame is often two lines. Where two others have a second line at some distance and this side has none at
    that distance, its own may be the second, and the first too faint to have been seen.
    """
    gaps = [
        [line.middle_mm - chosen.middle_mm for line in found if line.middle_mm > chosen.middle_mm + LEAST_GAP_MM]
        for chosen, found in zip(four, sides, strict=True)
    ]

    def has(other: int, gap: float) -> bool:
        return any(abs(gap - own) <= LIKE_GAP_MM for own in gaps[other])

    others = [other for other in range(4) if other != side]
    shown = {gap for other in others for gap in gaps[other] if gap < MOST_GAP_MM and not has(side, gap)}
    return sorted((gap for gap in shown if sum(has(other, gap) for other in others) >= 2), reverse=True)


def _doubt(four: list[Frame]) -> str:
    """Why these four lines are no one frame; empty where they may be."""
    leans = np.array([frame.slope_deg for frame in four])
    apart = np.abs(leans - np.median(leans))
    if apart.max() > MOST_LEAN_APART_DEG:
        side = SIDES[int(apart.argmax())]
        return f"ambiguous: the line along the {side} side leans {apart.max():.1f} degrees away from the other three"
    border = borders_apart(four)
    if border.max() > MOST_BORDER_APART:
        side = SIDES[int(border.argmax())]
        return f"ambiguous: along the {side} side the border's colour is not that of the other three"
    return ""


def _disagreement(four: list[Frame]) -> float:
    """How unlike the sides are in lean and colours, in units of what one clear line passed over is worth."""
    leans = np.array([frame.slope_deg for frame in four])
    lean = np.maximum(np.abs(leans - np.median(leans)) - LIKE_LEAN_DEG, 0.0).sum() / LIKE_LEAN_DEG
    unlike = changes_unlike(four)
    border = borders_apart(four) / BORDER_APART
    return float(lean + CHANGE_COUNTS * np.minimum(unlike, 1.0).sum() + BORDER_COUNTS * np.minimum(border, 1.5).sum())


def changes_unlike(four: list[Frame]) -> np.ndarray:
    """(4,) how far each side's change of colour lies from the usual one, as a share of that."""
    changes = np.stack([frame.inside - frame.outside for frame in four])
    usual = np.median(changes, axis=0)
    return np.asarray(np.linalg.norm(changes - usual, axis=1) / max(float(np.linalg.norm(usual)), LEAST_CHANGE))


def borders_apart(four: list[Frame]) -> np.ndarray:
    """(4,) Lab: how far the colour outside of each side's line lies from what it is on the others.

    Lightness counts for a third: glare and shadow lie on one side, another colour is another thing.
    """
    colours = np.stack([frame.outside for frame in four]) * (LIGHTNESS_COUNTS, 1, 1)
    return np.asarray(np.linalg.norm(colours - np.median(colours, axis=0), axis=1))


class _Look:
    """One side's bands, looked at for lines."""

    def __init__(self, flat: Flat, edge: Edge) -> None:
        self.edge = edge
        start, end = CLEAR_OF_CORNER_MM, edge.length_mm - CLEAR_OF_CORNER_MM
        self.bands = bands_of(flat, edge.side, start_mm=start, end_mm=end, depth_mm=DEEPEST_MM)
        self.contrast = contrasts(self.bands)
        self.from_edge = edge.depth_at(self.bands.along_mm)
        self.design = curve(self.bands.along_mm, edge.length_mm, bowed=flat.kind != "scan")

    def frames(self) -> list[Frame]:
        """Every clear, straight line, the outermost first."""
        from_middle = self.bands.along_mm - self.bands.along_mm.mean()
        lines = lines_along(self.bands, self.contrast, self.from_edge)
        near = [self.from_edge + line.border_mm + line.slope * from_middle for line in lines]
        found = [frame for line in near if (frame := self._fitted(line)) is not None]
        return [frame for frame in found if np.linalg.norm(frame.inside - frame.outside) >= LEAST_CHANGE]

    def fainter_outside(self, frame: Frame, usual: np.ndarray) -> Frame:
        """The same frame, or the line further out that is too faint to be seen band by band.

        usual  (3,) Lab: how the colour changes across the frame's four sides
        """
        by = like_line_outside(self._across(frame), usual)
        if by is None:
            return frame
        refitted = self._fitted(self.design @ frame.fit.coefficients + by)
        return refitted if refitted is not None else frame.moved(by)

    def fainter_by(self, frame: Frame, gap_mm: float) -> Frame | None:
        """The same frame so much further out, where a faint line is to be seen there; None where there is none."""
        if frame.middle_mm - float(np.median(self.from_edge)) - gap_mm < LEAST_FAINT_MM:
            return None
        at = step_near(self._across(frame), -gap_mm, NEAR_GAP_MM)
        return None if at is None else frame.moved(at)

    def outline_begins(self, frame: Frame) -> float:
        """How far outside of the line a thin outline begins, negative; 0 where there is none."""
        return outline_begins(self._across(frame))

    def _across(self, frame: Frame) -> Profile:
        line = self.design @ frame.fit.coefficients
        return aligned(self.bands, line, float(np.median(line - self.from_edge)) - NARROWEST_MM)

    def _fitted(self, near_mm: np.ndarray) -> Frame | None:
        seen, _ = located(self.bands, self.contrast, near_mm, APART_MM)
        row_mm = self.bands.row_mm
        fit = robust_fit(self.design, seen, least_deviation=0.1 * row_mm, per_point=0.5)
        if fit.support < LEAST_SUPPORT or fit.deviation > MOST_DEVIATION_MM + 0.4 * row_mm:
            return None
        outside, inside = _colours_beside(self.bands, self.design @ fit.coefficients)
        return Frame(self.edge.side, self.edge.length_mm, fit, row_mm, outside, inside)


def _colours_beside(bands: Bands, line_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median Lab colours, (3,) each, just outside and just inside of a line."""
    beyond = bands.depth_mm[None, :] - line_mm[:, None]
    colours = []
    for low, high in ((-BESIDE_MM[1], -BESIDE_MM[0]), BESIDE_MM):
        inside = ((beyond >= low) & (beyond <= high)).astype(np.float32)
        weight = inside / np.maximum(inside.sum(axis=1, keepdims=True), 1)
        colours.append(np.median(np.einsum("br,brc->bc", weight, bands.lab), axis=0))
    return colours[0], colours[1]
