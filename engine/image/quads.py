"""Four-sided outlines: their order, their sides' directions, and the corners where four lines cross."""

from __future__ import annotations

import numpy as np


def clockwise(quad: np.ndarray) -> np.ndarray:
    """The same corners clockwise on the screen, from the one nearest the upper left; (4, 2) float64."""
    around = quad - quad.mean(axis=0)
    ordered = quad[np.argsort(np.arctan2(around[:, 1], around[:, 0]))]
    return np.roll(ordered, -int(np.argmin(ordered.sum(axis=1))), axis=0)


def directions(quad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors along the four sides of a clockwise quad, and outward normals; each (4, 2)."""
    along = quad[[1, 2, 3, 0]] - quad
    along = along / np.sqrt((along * along).sum(axis=1, keepdims=True))
    return along, np.column_stack([along[:, 1], -along[:, 0]])


def side_lengths(quad: np.ndarray) -> np.ndarray:
    """Lengths in pixels of the four sides of a (4, 2) quad."""
    onward = quad[[1, 2, 3, 0]] - quad
    return np.asarray(np.sqrt((onward * onward).sum(axis=1)))


def longer_side(quad: np.ndarray) -> float:
    """Length in pixels of the longest side of a (4, 2) quad: the height of a card that stands upright."""
    return float(side_lengths(quad).max())


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
