"""Straight sides measured to a part of a pixel: lines fitted to the picture's own edges, corners where they cross.

A corner is never taken from the card's tip, which is rounded or worn: only the straight middle of a side counts.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import cv2
import numpy as np

from engine.image.perspective import views_of

STRAIGHT = (0.1, 0.9)
POSITIONS = 64
SLOPES = 15
STEPS = 20
COVER_ENLARGED = 4
CONTOUR_EVERY = 3
CANDIDATES = 5
APART_STEPS = 4
MOST_COMBINATIONS = 200
# What a place one standard deviation off costs, and what a card's proportions are worth, in shares of a side's votes.
UNLIKELY_COUNTS = 0.15
SHAPE_COUNTS = 0.35
SHAPE_TOLERANCE = 0.012
# A picture's border shows no edge; it is taken where no clear edge is near, or where it completes a card's shape.
BORDER_WORTH = 0.75
# An edge counts half at this share of its side's strongest, plus this many levels of noise: a dark card's rim on a dark
# table must not lose to the bright frame printed inside it.
HALF_STRENGTH = 0.2
NOISE_LEVELS = 2.0
# Of two edges as clear, the outer one is the card's; worth this much at the end of the slack.
OUTER_COUNTS = 0.15


@dataclass(frozen=True)
class Measured:
    """A quad measured in the picture.

    quad     (4, 2) float64 pixels
    support  (4,) share of each side's positions whose edge lies on the fitted line
    bow_px   (4,) how far the middle of each side lies outside the straight line through its ends, in pixels
    """

    quad: np.ndarray
    support: np.ndarray
    bow_px: np.ndarray


def quad_of_cover(cover: np.ndarray) -> np.ndarray | None:
    """Four straight sides around the largest blob of a soft mask.

    cover    (H, W) float32 in [0, 1]
    returns  (4, 2) float64 pixel centres of `cover`, clockwise on the screen, or None where there is no blob
    """
    size = (cover.shape[1] * COVER_ENLARGED, cover.shape[0] * COVER_ENLARGED)
    # A cell beyond each border, so that a blob that touches it still has a side there.
    fine = cv2.resize(cover, size, interpolation=cv2.INTER_LINEAR)
    mask = np.pad((fine > 0.5).astype(np.uint8), 1)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    contour = max(contours, key=cv2.contourArea)
    if cv2.contourArea(contour) < 4 * COVER_ENLARGED**2:
        return None
    quad = _four_corners(contour)
    points = contour.reshape(-1, 2)[::CONTOUR_EVERY].astype(np.float64)
    # The contour runs through the centres of the blob's outermost pixels, half a pixel inside its edge.
    points += 0.5 * _outward(points, quad)
    for _ in range(2):
        refitted = _refitted(points, quad)
        if refitted is None:
            break
        quad = refitted
    return (quad - 1 + 0.5) / COVER_ENLARGED - 0.5


def _four_corners(contour: np.ndarray) -> np.ndarray:
    """The four-sided outline of a blob, clockwise on the screen."""
    hull = cv2.convexHull(contour, clockwise=True)
    length = cv2.arcLength(hull, True)
    for tolerance in (0.02, 0.03, 0.045, 0.06, 0.08, 0.1):
        outline = cv2.approxPolyDP(hull, tolerance * length, True)
        if len(outline) <= 4:
            break
    corners = outline.reshape(-1, 2) if len(outline) == 4 else cv2.boxPoints(cv2.minAreaRect(contour))
    return clockwise(corners.astype(np.float64))


def clockwise(quad: np.ndarray) -> np.ndarray:
    """The same corners clockwise on the screen, from the one nearest the upper left; (4, 2) float64."""
    around = quad - quad.mean(axis=0)
    ordered = quad[np.argsort(np.arctan2(around[:, 1], around[:, 0]))]
    return np.roll(ordered, -int(np.argmin(ordered.sum(axis=1))), axis=0)


def _outward(points: np.ndarray, quad: np.ndarray) -> np.ndarray:
    """(N, 2) unit normals, each of the side that a point lies nearest to."""
    _, normals = directions(quad)
    distance = np.abs(np.einsum("ijk,jk->ij", points[:, None] - quad[None], normals))
    return normals[np.argmin(distance, axis=1)]


def directions(quad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors along the four sides of a clockwise quad, and outward normals; each (4, 2)."""
    along = np.roll(quad, -1, axis=0) - quad
    along = along / np.linalg.norm(along, axis=1, keepdims=True)
    return along, np.column_stack([along[:, 1], -along[:, 0]])


def _refitted(points: np.ndarray, quad: np.ndarray) -> np.ndarray | None:
    along, normals = directions(quad)
    lengths = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)
    offsets = points[:, None] - quad[None]
    distance = np.abs(np.einsum("ijk,jk->ij", offsets, normals))
    share = np.einsum("ijk,jk->ij", offsets, along) / lengths
    nearest = np.argmin(distance, axis=1)
    lines = []
    for side in range(4):
        own = (nearest == side) & (share[:, side] > STRAIGHT[0]) & (share[:, side] < STRAIGHT[1])
        own &= distance[:, side] < 0.15 * lengths.max()
        if own.sum() < 4:
            return None
        vx, vy, x, y = cv2.fitLine(points[own].astype(np.float32), cv2.DIST_HUBER, 0, 0.01, 0.01).ravel()
        lines.append((np.array([x, y], np.float64), np.array([vx, vy], np.float64)))
    return crossings(lines)


def longer_side(quad: np.ndarray) -> float:
    """Length in pixels of the longest side of a (4, 2) quad: the height of a card that stands upright."""
    return float(np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1).max())


def crossings(lines: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray | None:
    """Corners where each of four lines (point, direction) crosses the one before it; None where two are parallel."""
    corners = []
    for (p, u), (q, v) in zip([lines[-1], *lines[:-1]], lines, strict=True):
        cross = u[0] * v[1] - u[1] * v[0]
        if abs(cross) < 0.05:
            return None
        w = q - p
        corners.append(p + u * (w[0] * v[1] - w[1] * v[0]) / cross)
    return np.array(corners)


def choose_sides(
    rgb: np.ndarray,
    quad: np.ndarray,
    *,
    reach: float,
    sure: float,
    aspects: tuple[float, ...],
    at_bounds: np.ndarray,
    slack: float,
) -> tuple[np.ndarray, np.ndarray]:
    """The four edges that together make the likeliest card: clear, near where they are expected, and of a known shape.

    A printed frame or a sleeve runs along the card's own edge and may be the clearer line; but only one choice of
    all four sides has a card's proportions.

    rgb        (H, W, 3) uint8
    quad       (4, 2) clockwise pixels, right to within `reach`
    reach      how far to look to either side, as a share of the quad's longer side
    sure       how near the edge is expected (one standard deviation), in the same unit
    slack      how far outside the expected side an edge is as likely as on it, in the same unit
    aspects    the known ratios of the shorter to the longer side
    at_bounds  (4,) bool, the sides that may be the picture's own border: it is one of their choices
    returns    (4, 2) float64 pixels, and (4,) bool, the sides that are the picture's own border
    """
    quad = onto_bounds(quad, at_bounds, rgb)
    search = _Search.along(rgb, quad, reach)
    choices = search.candidates(sure, slack)
    for side in np.flatnonzero(at_bounds):
        choices[side].append(_Line(0.0, 0.0, BORDER_WORTH))
    picks = np.array(list(itertools.product(*(range(len(lines)) for lines in choices))))
    worth = sum(np.array([line.worth for line in choices[side]])[picks[:, side]] for side in range(4))
    likeliest = np.argsort(-np.asarray(worth))[:MOST_COMBINATIONS]
    corners = search.corners(choices, picks[likeliest])
    aspects_seen, _ = views_of(corners, rgb.shape[:2])
    upright = np.minimum(aspects_seen, 1 / aspects_seen)
    misfit = np.abs(upright[:, None] / np.array(aspects) - 1).min(axis=1)
    total = np.asarray(worth)[likeliest] + SHAPE_COUNTS * np.exp(-0.5 * (misfit / SHAPE_TOLERANCE) ** 2)
    best = int(np.nanargmax(total))
    border = at_bounds & (picks[likeliest[best]] == [len(lines) - 1 for lines in choices])
    return corners[best], border


def onto_bounds(quad: np.ndarray, at_bounds: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """The quad with some of its sides laid on the picture's border."""
    height, width = rgb.shape[:2]
    _, normals = directions(quad)
    lines = []
    for side in range(4):
        start, end = quad[side].copy(), quad[(side + 1) % 4].copy()
        if at_bounds[side]:
            axis = int(np.argmax(np.abs(normals[side])))
            start[axis] = end[axis] = (width, height)[axis] - 0.5 if normals[side, axis] > 0 else -0.5
        lines.append((start, (end - start) / np.linalg.norm(end - start)))
    moved = crossings(lines)
    return quad if moved is None else moved


def measure_sides(
    rgb: np.ndarray, quad: np.ndarray, *, reach: float, sure: float, held: np.ndarray | None = None
) -> Measured:
    """Move each side by itself onto the edge that runs along it in the picture.

    rgb      (H, W, 3) uint8
    quad     (4, 2) clockwise pixels, right to within `reach`
    reach    how far to look to either side, as a share of the quad's longer side
    sure     how near the edge is expected (one standard deviation), in the same unit
    held     (4,) bool, sides that stay where they are, fully supported
    """
    search = _Search.along(rgb, quad, reach)
    lines, support, bow = [], np.ones(4), np.zeros(4)
    for side, candidates in enumerate(search.candidates(sure, 0.0)):
        if held is not None and held[side]:
            lines.append(search.line(side, 0.0, 0.0))
            continue
        offset, slope, support[side], bow[side] = _settled(search, side, candidates[0])
        lines.append(search.line(side, offset, slope))
    measured = crossings(lines)
    return Measured(quad if measured is None else measured, support, bow * search.step_px)


@dataclass(frozen=True)
class _Line:
    """A straight edge along a side: its middle lies `offset` steps outside, its ends `offset -+ slope`."""

    offset: float
    slope: float
    worth: float


@dataclass(frozen=True)
class _Search:
    """Edge strength in a band along each side of a quad.

    strength  (4, POSITIONS, depths) float32
    depths    steps outward from the side
    step_px   pixels per step
    """

    quad: np.ndarray
    strength: np.ndarray
    depths: np.ndarray
    step_px: float

    @classmethod
    def along(cls, rgb: np.ndarray, quad: np.ndarray, reach: float) -> _Search:
        tall = longer_side(quad)
        step = max(0.25, tall * reach / STEPS)
        steps = np.ceil(tall * reach / step)
        depths = np.arange(-steps, steps + 1)
        strength = _edge_strength(_strips(rgb, quad, depths * step), rgb_px_per_step=1 / step)
        return cls(quad, strength, depths, step)

    def line(self, side: int, offset: float, slope: float) -> tuple[np.ndarray, np.ndarray]:
        """A point and a unit direction in the picture."""
        start, end = self.quad[side], self.quad[(side + 1) % 4]
        half = (end - start) / 2 * (STRAIGHT[1] - STRAIGHT[0])
        along = (end - start) / np.linalg.norm(end - start)
        outward = np.array([along[1], -along[0]]) * self.step_px
        first = (start + end) / 2 - half + outward * (offset - slope)
        last = (start + end) / 2 + half + outward * (offset + slope)
        return first, (last - first) / np.linalg.norm(last - first)

    def corners(self, choices: list[list[_Line]], picks: np.ndarray) -> np.ndarray:
        """The corners of many choices of four lines: (N, 4) indices to (N, 4, 2) pixels."""
        through = []
        for side, lines in enumerate(choices):
            ends = [self.line(side, line.offset, line.slope) for line in lines]
            rays = np.array([(-u[1], u[0], u[1] * p[0] - u[0] * p[1]) for p, u in ends])
            through.append(rays[picks[:, side]])
        meeting = np.stack([np.cross(through[side - 1], through[side]) for side in range(4)], axis=1)
        return meeting[..., :2] / meeting[..., 2:]

    def candidates(self, sure: float, slack: float) -> list[list[_Line]]:
        """The best few edges along each side, the best first.

        A line's worth is the share of positions that see it, less what its place is unlikely. Positions vote with a
        strength that saturates: an edge that runs the whole side beats a strong one that does not.
        """
        depths = self.depths
        tall_steps = longer_side(self.quad) / self.step_px
        sure_steps, free_steps = sure * tall_steps, slack * tall_steps
        peak = np.median(self.strength.max(axis=2), axis=1)[:, None, None]
        votes = (1 + HALF_STRENGTH) * self.strength / (self.strength + HALF_STRENGTH * peak + NOISE_LEVELS)
        slopes = np.linspace(-0.5, 0.5, SLOPES) * min(depths[-1], 3 * sure_steps)
        shifts = np.rint(slopes[:, None] * np.linspace(-1, 1, POSITIONS)).astype(int)
        index = np.clip(np.arange(len(depths)) + shifts[:, :, None], 0, len(depths) - 1)
        index += np.arange(POSITIONS)[:, None] * len(depths)
        scores = np.minimum(votes, 1).reshape(4, -1)[:, index].mean(axis=2)
        away = depths - np.clip(depths, 0, free_steps)
        unlikely = 0.5 * (away / sure_steps) ** 2 + 0.5 * (slopes[:, None] / sure_steps) ** 2
        outer = np.clip(depths, 0, free_steps) / max(free_steps, 1)
        worth = scores - UNLIKELY_COUNTS * unlikely + OUTER_COUNTS * outer
        return [_peaks(worth[side], depths, slopes) for side in range(4)]


def _peaks(worth: np.ndarray, depths: np.ndarray, slopes: np.ndarray) -> list[_Line]:
    """The highest places of (slopes, depths) that lie apart from each other."""
    found = []
    for _ in range(CANDIDATES):
        row, column = divmod(int(np.argmax(worth)), len(depths))
        if not np.isfinite(worth[row, column]):
            break
        found.append(_Line(float(depths[column]), float(slopes[row]), float(worth[row, column])))
        rows = np.abs(slopes - slopes[row]) < APART_STEPS
        worth[rows, max(0, column - APART_STEPS + 1) : column + APART_STEPS] = -np.inf
    return found


def _strips(rgb: np.ndarray, quad: np.ndarray, depths_px: np.ndarray) -> np.ndarray:
    """The picture along the four sides: (4, POSITIONS, depths, 3) float32, outward last."""
    shares = np.linspace(*STRAIGHT, POSITIONS)
    _, normals = directions(quad)
    onward = np.roll(quad, -1, axis=0)
    at = quad[:, None] + (onward - quad)[:, None] * shares[None, :, None]
    at = at[:, :, None] + normals[:, None, None] * depths_px[None, None, :, None]
    x, y = (at[..., k].reshape(4 * POSITIONS, -1).astype(np.float32) for k in (0, 1))
    sampled = cv2.remap(rgb, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return sampled.reshape(4, POSITIONS, len(depths_px), 3).astype(np.float32)


def _edge_strength(strips: np.ndarray, *, rgb_px_per_step: float) -> np.ndarray:
    """How fast colour changes outward, (4, POSITIONS, depths) float32, smoothed along the side."""
    sigma = max(1.0, 0.7 * rgb_px_per_step) if rgb_px_per_step < 4 else 2.8
    reach = int(np.ceil(3 * sigma))
    at = np.arange(-reach, reach + 1)
    bell = np.exp(-0.5 * (at / sigma) ** 2)
    slope = (at * bell / (at * at * bell).sum()).astype(np.float32)
    along = np.array([1, 2, 3, 2, 1], np.float32) / 9
    sides = [
        cv2.sepFilter2D(strip, -1, slope[None], along[:, None], borderType=cv2.BORDER_REPLICATE) for strip in strips
    ]
    return np.linalg.norm(np.stack(sides), axis=-1)


def _settled(search: _Search, side: int, line: _Line) -> tuple[float, float, float, float]:
    """Offset, slope, support and bow (steps) of the line through each position's own peak, outliers weighed down."""
    near = 3
    strength, depths = search.strength[side], search.depths
    shares = np.linspace(-1, 1, POSITIONS)
    start = np.rint(line.offset + line.slope * shares - depths[0]).astype(int)
    window = np.clip(start[:, None] + np.arange(-near, near + 1), 1, len(depths) - 2)
    values = np.take_along_axis(strength, window, axis=1)
    best = np.take_along_axis(window, values.argmax(axis=1)[:, None], axis=1)
    before, at, after = (np.take_along_axis(strength, best + k, axis=1)[:, 0] for k in (-1, 0, 1))
    bend = before - 2 * at + after
    peak = depths[best[:, 0]] + np.where(bend < -1e-6, 0.5 * (before - after) / np.minimum(bend, -1e-6), 0).clip(-1, 1)
    clear = at / (at + 0.25 * float(np.median(at)) + 1e-3)
    fit = np.array([line.offset, line.slope])
    basis = np.column_stack([np.ones_like(shares), shares])
    for _ in range(6):
        miss = np.abs(peak - basis @ fit)
        weight = clear * np.minimum(1, 0.7 / np.maximum(miss, 1e-6)) * (miss < near)
        if weight.sum() < 4:
            return line.offset, line.slope, 0.0, 0.0
        fit = np.linalg.solve(basis.T @ (basis * weight[:, None]) + 1e-6 * np.eye(2), basis.T @ (peak * weight))
    miss = peak - basis @ fit
    good = np.abs(miss) < 1.5
    bulge = (shares**2 - (shares**2).mean())[good]
    curve = float(bulge @ miss[good] / (bulge @ bulge)) if good.sum() > 8 else 0.0
    return float(fit[0]), float(fit[1]), float(good.mean()), -curve
