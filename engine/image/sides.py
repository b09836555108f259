"""Straight sides measured to a part of a pixel: lines fitted to the picture's own edges, corners where they cross.

A corner is never taken from the card's tip, which is rounded or worn: only the straight middle of a side counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

STRAIGHT = (0.1, 0.9)
POSITIONS = 96
SLOPES = 25
COVER_ENLARGED = 4


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
    points = contour.reshape(-1, 2).astype(np.float64)
    # The contour runs through the centres of the blob's outermost pixels, half a pixel inside its edge.
    points += 0.5 * _outward(points, quad)
    for _ in range(3):
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


def measure_sides(rgb: np.ndarray, quad: np.ndarray, *, reach: float, sure: float) -> Measured:
    """Move each side onto the edge that runs along it in the picture.

    rgb      (H, W, 3) uint8
    quad     (4, 2) clockwise pixels, right to within `reach`
    reach    how far to look to either side, as a share of the quad's longer side
    sure     how near the edge is expected (one standard deviation), in the same unit
    """
    lengths = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)
    tall = float(lengths.max())
    step = max(0.25, tall * reach / 28)
    depths = np.arange(-np.ceil(tall * reach / step), np.ceil(tall * reach / step) + 1)
    strength = _edge_strength(_strips(rgb, quad, depths * step), rgb_px_per_step=1 / step)
    shares = np.linspace(-1, 1, POSITIONS)
    lines, support, bow = [], np.zeros(4), np.zeros(4)
    along, normals = directions(quad)
    for side in range(4):
        offset, slope, support[side], bow[side] = _best_line(strength[side], depths, shares, sure * tall / step)
        middle = (quad[side] + quad[(side + 1) % 4]) / 2
        half = along[side] * lengths[side] / 2 * (STRAIGHT[1] - STRAIGHT[0])
        start = middle - half + normals[side] * (offset - slope) * step
        end = middle + half + normals[side] * (offset + slope) * step
        lines.append((start, (end - start) / np.linalg.norm(end - start)))
    measured = crossings(lines)
    return Measured(quad if measured is None else measured, support, bow * step)


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


def _best_line(
    strength: np.ndarray, depths: np.ndarray, shares: np.ndarray, sure_steps: float
) -> tuple[float, float, float, float]:
    """Offset, slope, support and bow (steps) of the edge that most positions agree on, weighed by how near it lies."""
    peak = float(np.median(strength.max(axis=1)))
    votes = strength / (strength + 0.5 * peak + 1e-3)
    reach = depths[-1]
    slopes = np.linspace(-0.5, 0.5, SLOPES) * min(reach, 3 * sure_steps)
    index = np.arange(len(depths))
    scores = np.empty((SLOPES, len(depths)), np.float32)
    for row, slope in enumerate(slopes):
        shifted = np.clip(index[None] + np.rint(slope * shares).astype(int)[:, None], 0, len(depths) - 1)
        scores[row] = np.take_along_axis(votes, shifted, axis=1).mean(axis=0)
    likely = np.exp(-0.5 * (depths[None] / sure_steps) ** 2 - 0.5 * (slopes[:, None] / sure_steps) ** 2)
    row, column = divmod(int(np.argmax(scores * likely)), len(depths))
    return _settled(strength, depths, shares, np.array([depths[column], slopes[row]]))


def _settled(
    strength: np.ndarray, depths: np.ndarray, shares: np.ndarray, line: np.ndarray
) -> tuple[float, float, float, float]:
    """The line through each position's own peak near a first line (offset, slope), outliers weighed down."""
    near = 3
    start = np.rint(line[0] + line[1] * shares - depths[0]).astype(int)
    window = np.clip(start[:, None] + np.arange(-near, near + 1), 1, len(depths) - 2)
    values = np.take_along_axis(strength, window, axis=1)
    best = np.take_along_axis(window, values.argmax(axis=1)[:, None], axis=1)
    before, at, after = (np.take_along_axis(strength, best + k, axis=1)[:, 0] for k in (-1, 0, 1))
    bend = before - 2 * at + after
    peak = depths[best[:, 0]] + np.where(bend < -1e-6, 0.5 * (before - after) / np.minimum(bend, -1e-6), 0).clip(-1, 1)
    clear = at / (at + 0.25 * float(np.median(at)) + 1e-3)
    fit = line
    basis = np.column_stack([np.ones_like(shares), shares])
    for _ in range(6):
        miss = np.abs(peak - basis @ fit)
        weight = clear * np.minimum(1, 0.7 / np.maximum(miss, 1e-6)) * (miss < near)
        if weight.sum() < 4:
            return float(line[0]), float(line[1]), 0.0, 0.0
        fit = np.linalg.solve(basis.T @ (basis * weight[:, None]) + 1e-6 * np.eye(2), basis.T @ (peak * weight))
    miss = peak - basis @ fit
    good = np.abs(miss) < 1.5
    curve = np.polyfit(shares[good], miss[good], 2)[0] if good.sum() > 8 else 0.0
    return float(fit[0]), float(fit[1]), float(good.mean()), float(-curve)
