"""Sub-pixel measurement of a quad: lines fitted to the edges in the picture, corners at their intersections.

Only the straight middle of a side counts, since the corners of a card are rounded or worn.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engine.image.quads import longer_side, quad_from_lines, side_directions

STRAIGHT_SPAN = (0.1, 0.9)
POSITION_COUNT = 64
SLOPE_COUNT = 15
STEP_COUNT = 20
NEAR_STEPS = 3
# With less total weight than this, a side is not moved.
MIN_WEIGHT = 4
# Penalty of a line at one standard deviation from the expected position, as a fraction of a side's votes.
PRIOR_WEIGHT = 0.15
# An edge counts half at this fraction of its side's strongest, plus this many levels of noise, so that the rim of a
# dark card on a dark table outweighs the bright frame printed inside it.
HALF_STRENGTH = 0.2
NOISE_LEVELS = 2.0


@dataclass(frozen=True)
class SubpixelQuad:
    """Quad measured to sub-pixel accuracy.

    quad     (4, 2) float64 pixels
    support  (4,) fraction of each side's positions whose edge is on the fitted line
    bow_px   (4,) how far the middle of each side is outside the straight line through its ends, in pixels
    """

    quad: np.ndarray
    support: np.ndarray
    bow_px: np.ndarray


def refine_quad(
    rgb: np.ndarray, quad: np.ndarray, *, reach: float, sigma: float, fixed_sides: np.ndarray | None = None
) -> SubpixelQuad:
    """Move each side independently onto the edge along it in the picture.

    rgb          (H, W, 3) uint8
    quad         (4, 2) clockwise pixels, accurate to within `reach`
    reach        search range on both sides of a line, as a fraction of the quad's longer side
    sigma        standard deviation of the quad's error, in the same unit
    fixed_sides  (4,) bool, sides that are not moved; their support is 1
    """
    search = _EdgeSearch.along(rgb, quad, reach)
    free = np.ones(4, bool) if fixed_sides is None else ~fixed_sides
    fits, support, bow = _fit_lines(search, search.best_lines(sigma))
    fits, bow, support = fits * free[:, None], bow * free, np.where(free, support, 1.0)
    refined = quad_from_lines([search.line(side, *fit) for side, fit in enumerate(fits)])
    return SubpixelQuad(quad if refined is None else refined, support, bow * search.step_px)


@dataclass(frozen=True)
class _EdgeSearch:
    """Edge strength in a band along each side of a quad.

    strength  (4, POSITION_COUNT, depths) float32
    depths    steps outward from the side
    step_px   pixels per step
    """

    quad: np.ndarray
    strength: np.ndarray
    depths: np.ndarray
    step_px: float

    @classmethod
    def along(cls, rgb: np.ndarray, quad: np.ndarray, reach: float) -> _EdgeSearch:
        height_px = longer_side(quad)
        step_px = max(0.25, height_px * reach / STEP_COUNT)
        steps = np.ceil(height_px * reach / step_px)
        depths = np.arange(-steps, steps + 1)
        strength = _edge_strength(_strips(rgb, quad, depths * step_px), steps_per_px=1 / step_px)
        return cls(quad, strength, depths, step_px)

    def line(self, side: int, offset: float, slope: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the line, as a point and a direction, with its middle `offset` steps outside.

        Its first end is `slope` steps nearer to the card, its last end `slope` steps further out.
        """
        start, end = self.quad[side], self.quad[(side + 1) % 4]
        half = (end - start) / 2 * (STRAIGHT_SPAN[1] - STRAIGHT_SPAN[0])
        along = (end - start) / np.linalg.norm(end - start)
        outward = np.array([along[1], -along[0]]) * self.step_px
        first = (start + end) / 2 - half + outward * (offset - slope)
        last = (start + end) / 2 + half + outward * (offset + slope)
        return first, (last - first) / np.linalg.norm(last - first)

    def best_lines(self, sigma: float) -> np.ndarray:
        """Find the best edge along each side, (4, 2) offset and slope in steps.

        A line's score is the mean vote of its positions minus a penalty for its distance from the expected side. Votes
        saturate with edge strength, so that an edge along the whole side beats a stronger one along a part of it.
        """
        depths = self.depths
        sigma_steps = sigma * longer_side(self.quad) / self.step_px
        peak_strength = np.median(self.strength.max(axis=2), axis=1)[:, None, None]
        votes = (1 + HALF_STRENGTH) * self.strength / (self.strength + HALF_STRENGTH * peak_strength + NOISE_LEVELS)
        slopes = np.linspace(-0.5, 0.5, SLOPE_COUNT) * min(depths[-1], 3 * sigma_steps)
        shifts = np.rint(slopes[:, None] * np.linspace(-1, 1, POSITION_COUNT)).astype(int)
        index = np.clip(np.arange(len(depths)) + shifts[:, :, None], 0, len(depths) - 1)
        index += np.arange(POSITION_COUNT)[:, None] * len(depths)
        mean_votes = np.minimum(votes, 1).reshape(4, -1)[:, index].mean(axis=2)
        penalty = 0.5 * (depths / sigma_steps) ** 2 + 0.5 * (slopes[:, None] / sigma_steps) ** 2
        scores = (mean_votes - PRIOR_WEIGHT * penalty).reshape(4, -1)
        rows, columns = np.divmod(scores.argmax(axis=1), len(depths))
        return np.column_stack([depths[columns], slopes[rows]])


def _strips(rgb: np.ndarray, quad: np.ndarray, depths_px: np.ndarray) -> np.ndarray:
    """Sample the picture along the four sides.

    Returns (4, POSITION_COUNT, depths, 3) float32, depths from inside to outside.
    """
    fractions = np.linspace(*STRAIGHT_SPAN, POSITION_COUNT)
    _, normals = side_directions(quad)
    next_corner = quad[[1, 2, 3, 0]]
    on_side = quad[:, None] + (next_corner - quad)[:, None] * fractions[None, :, None]
    points = on_side[:, :, None] + normals[:, None, None] * depths_px[None, None, :, None]
    x, y = (points[..., k].reshape(4 * POSITION_COUNT, -1).astype(np.float32) for k in (0, 1))
    sampled = cv2.remap(rgb, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return sampled.reshape(4, POSITION_COUNT, len(depths_px), 3).astype(np.float32)


def _edge_strength(strips: np.ndarray, *, steps_per_px: float) -> np.ndarray:
    """Return the color gradient across the side, (4, POSITION_COUNT, depths) float32, smoothed along the side."""
    sigma = max(1.0, 0.7 * steps_per_px) if steps_per_px < 4 else 2.8
    radius = int(np.ceil(3 * sigma))
    x = np.arange(-radius, radius + 1)
    gaussian = np.exp(-0.5 * (x / sigma) ** 2)
    derivative = (x * gaussian / (x * x * gaussian).sum()).astype(np.float32)
    smoothing = np.array([1, 2, 3, 2, 1], np.float32) / 9
    gradients = [
        cv2.sepFilter2D(strip, -1, derivative[None], smoothing[:, None], borderType=cv2.BORDER_REPLICATE)
        for strip in strips
    ]
    return np.linalg.norm(np.stack(gradients), axis=-1)


def _fit_lines(search: _EdgeSearch, lines: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit lines to the edge peaks near initial lines by iteratively reweighted least squares.

    lines    (4, 2) initial offset and slope in steps
    returns  (4, 2) fitted offset and slope, (4,) support, (4,) bow in steps
    """
    strength, depths = search.strength, search.depths
    positions = np.linspace(-1, 1, POSITION_COUNT)
    basis = np.column_stack([np.ones_like(positions), positions])
    start = np.rint(lines @ basis.T - depths[0]).astype(int)
    window = np.clip(start[..., None] + np.arange(-NEAR_STEPS, NEAR_STEPS + 1), 1, len(depths) - 2)
    strongest = np.take_along_axis(strength, window, axis=2).argmax(axis=2)[..., None]
    best = np.take_along_axis(window, strongest, axis=2)
    before, height, after = (np.take_along_axis(strength, best + k, axis=2)[..., 0] for k in (-1, 0, 1))
    # Vertex of the parabola through the peak and its two neighbors.
    curvature = before - 2 * height + after
    vertex = np.where(curvature < -1e-6, 0.5 * (before - after) / np.minimum(curvature, -1e-6), 0)
    peak_position = depths[best[..., 0]] + vertex.clip(-1, 1)
    clarity = height / (height + 0.25 * np.median(height, axis=1, keepdims=True) + 1e-3)
    fits = lines
    for _ in range(6):
        distance = np.abs(peak_position - fits @ basis.T)
        weight = clarity * np.minimum(1, 0.7 / np.maximum(distance, 1e-6)) * (distance < NEAR_STEPS)
        normal = np.einsum("sp,pi,pj->sij", weight, basis, basis) + 1e-6 * np.eye(2)
        fitted = np.linalg.solve(normal, ((weight * peak_position) @ basis)[..., None])[..., 0]
        fits = np.where(weight.sum(axis=1, keepdims=True) < MIN_WEIGHT, lines, fitted)
    residual = peak_position - fits @ basis.T
    inliers = np.abs(residual) < 1.5
    inlier_count = inliers.sum(axis=1)
    # The bow is the coefficient of a centered parabola along the side, fitted to the inliers' residuals.
    mean_square = (inliers * positions**2).sum(axis=1) / np.maximum(inlier_count, 1)
    parabola = inliers * (positions**2 - mean_square[:, None])
    coefficient = (parabola * residual).sum(axis=1) / np.maximum((parabola * parabola).sum(axis=1), 1e-9)
    return fits, inliers.mean(axis=1), np.where(inlier_count > MIN_WEIGHT, -coefficient, 0.0)
