"""Quads: corner order, side directions and lengths, and intersection of four lines."""

from __future__ import annotations

import numpy as np


def clockwise(quad: np.ndarray) -> np.ndarray:
    """Order the corners clockwise on the screen, starting nearest the upper left; (4, 2) float64."""
    centered = quad - quad.mean(axis=0)
    ordered = quad[np.argsort(np.arctan2(centered[:, 1], centered[:, 0]))]
    return np.roll(ordered, -int(np.argmin(ordered.sum(axis=1))), axis=0)


def side_directions(quad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors along the four sides of a clockwise quad, and the outward normals; (4, 2) each."""
    along = quad[[1, 2, 3, 0]] - quad
    along = along / np.sqrt((along * along).sum(axis=1, keepdims=True))
    return along, np.column_stack([along[:, 1], -along[:, 0]])


def side_lengths(quad: np.ndarray) -> np.ndarray:
    """Return the lengths of the four sides of a (4, 2) quad, (4,) pixels."""
    sides = quad[[1, 2, 3, 0]] - quad
    return np.asarray(np.sqrt((sides * sides).sum(axis=1)))


def longer_side(quad: np.ndarray) -> float:
    """Return the length of the longest side of a (4, 2) quad, in pixels: the height of an upright card."""
    return float(side_lengths(quad).max())


def quad_from_lines(lines: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray | None:
    """Intersect each of four lines (point, direction) with the one before it; None if two of them are parallel."""
    corners = []
    for (p, u), (q, v) in zip([lines[-1], *lines[:-1]], lines, strict=True):
        cross = u[0] * v[1] - u[1] * v[0]
        if abs(cross) < 0.05:
            return None
        w = q - p
        corners.append(p + u * (w[0] * v[1] - w[1] * v[0]) / cross)
    return np.array(corners)
