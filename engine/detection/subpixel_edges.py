"""Straight sides measured to a part of a pixel: lines fitted to the picture's own edges, corners where they cross.

A corner is never taken from the card's tip, which is rounded or worn: only the straight middle of a side counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engine.image.quads import crossings, directions, longer_side

STRAIGHT = (0.1, 0.9)
POSITIONS = 64
SLOPES = 15
STEPS = 20
NEAR_STEPS = 3
# Below this many clear positions a side stays where it was expected.
LEAST_WEIGHT = 4
# What a place one standard deviation off costs, in shares of a side's votes.
UNLIKELY_COUNTS = 0.15
# An edge counts half at this share of its side's strongest, plus this many levels of noise: a dark card's rim on a dark
# table must not lose to the bright frame printed inside it.
HALF_STRENGTH = 0.2
NOISE_LEVELS = 2.0


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
    free = np.ones(4, bool) if held is None else ~held
    fits, support, bow = _settled(search, search.best_lines(sure))
    fits, bow, support = fits * free[:, None], bow * free, np.where(free, support, 1.0)
    measured = crossings([search.line(side, *fit) for side, fit in enumerate(fits)])
    return Measured(quad if measured is None else measured, support, bow * search.step_px)


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
        """The line whose middle lies `offset` steps outside, its ends `offset -+ slope`: a point and a direction."""
        start, end = self.quad[side], self.quad[(side + 1) % 4]
        half = (end - start) / 2 * (STRAIGHT[1] - STRAIGHT[0])
        along = (end - start) / np.linalg.norm(end - start)
        outward = np.array([along[1], -along[0]]) * self.step_px
        first = (start + end) / 2 - half + outward * (offset - slope)
        last = (start + end) / 2 + half + outward * (offset + slope)
        return first, (last - first) / np.linalg.norm(last - first)

    def best_lines(self, sure: float) -> np.ndarray:
        """The best edge along each side, (4, 2) offset and slope in steps.

        A line's worth is the share of positions that see it, less what its place is unlikely. Positions vote with a
        strength that saturates: an edge that runs the whole side beats a strong one that does not.
        """
        depths = self.depths
        sure_steps = sure * longer_side(self.quad) / self.step_px
        peak = np.median(self.strength.max(axis=2), axis=1)[:, None, None]
        votes = (1 + HALF_STRENGTH) * self.strength / (self.strength + HALF_STRENGTH * peak + NOISE_LEVELS)
        slopes = np.linspace(-0.5, 0.5, SLOPES) * min(depths[-1], 3 * sure_steps)
        shifts = np.rint(slopes[:, None] * np.linspace(-1, 1, POSITIONS)).astype(int)
        index = np.clip(np.arange(len(depths)) + shifts[:, :, None], 0, len(depths) - 1)
        index += np.arange(POSITIONS)[:, None] * len(depths)
        scores = np.minimum(votes, 1).reshape(4, -1)[:, index].mean(axis=2)
        unlikely = 0.5 * (depths / sure_steps) ** 2 + 0.5 * (slopes[:, None] / sure_steps) ** 2
        worth = (scores - UNLIKELY_COUNTS * unlikely).reshape(4, -1)
        rows, columns = np.divmod(worth.argmax(axis=1), len(depths))
        return np.column_stack([depths[columns], slopes[rows]])


def _strips(rgb: np.ndarray, quad: np.ndarray, depths_px: np.ndarray) -> np.ndarray:
    """The picture along the four sides: (4, POSITIONS, depths, 3) float32, outward last."""
    shares = np.linspace(*STRAIGHT, POSITIONS)
    _, normals = directions(quad)
    onward = quad[[1, 2, 3, 0]]
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


def _settled(search: _Search, lines: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The lines through each position's own peak near given ones, outliers weighed down.

    lines    (4, 2) offset and slope in steps
    returns  (4, 2) the same of the fitted ones, (4,) support, (4,) bow in steps
    """
    strength, depths = search.strength, search.depths
    shares = np.linspace(-1, 1, POSITIONS)
    basis = np.column_stack([np.ones_like(shares), shares])
    start = np.rint(lines @ basis.T - depths[0]).astype(int)
    window = np.clip(start[..., None] + np.arange(-NEAR_STEPS, NEAR_STEPS + 1), 1, len(depths) - 2)
    strongest = np.take_along_axis(strength, window, axis=2).argmax(axis=2)[..., None]
    best = np.take_along_axis(window, strongest, axis=2)
    before, at, after = (np.take_along_axis(strength, best + k, axis=2)[..., 0] for k in (-1, 0, 1))
    bend = before - 2 * at + after
    between = np.where(bend < -1e-6, 0.5 * (before - after) / np.minimum(bend, -1e-6), 0)
    peak = depths[best[..., 0]] + between.clip(-1, 1)
    clear = at / (at + 0.25 * np.median(at, axis=1, keepdims=True) + 1e-3)
    fits = lines
    for _ in range(6):
        miss = np.abs(peak - fits @ basis.T)
        weight = clear * np.minimum(1, 0.7 / np.maximum(miss, 1e-6)) * (miss < NEAR_STEPS)
        normal = np.einsum("sp,pi,pj->sij", weight, basis, basis) + 1e-6 * np.eye(2)
        fitted = np.linalg.solve(normal, ((weight * peak) @ basis)[..., None])[..., 0]
        fits = np.where(weight.sum(axis=1, keepdims=True) < LEAST_WEIGHT, lines, fitted)
    miss = peak - fits @ basis.T
    good = np.abs(miss) < 1.5
    share_good = good.sum(axis=1)
    middle = (good * shares**2).sum(axis=1) / np.maximum(share_good, 1)
    bulge = good * (shares**2 - middle[:, None])
    curve = (bulge * miss).sum(axis=1) / np.maximum((bulge * bulge).sum(axis=1), 1e-9)
    return fits, good.mean(axis=1), np.where(share_good > LEAST_WEIGHT, -curve, 0.0)
