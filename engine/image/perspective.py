"""Aspect ratio and tilt of a card from the four corners of its quad."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Focal lengths in units of the picture's longer side. Main lenses of phones are 24 to 28 mm equivalent: 0.67 to 0.78.
DEFAULT_FOCAL = 0.8
MIN_FOCAL = 0.5
MAX_FOCAL = 4.0
MIN_CONVERGENCE = 0.04


@dataclass(frozen=True)
class QuadGeometry:
    """Geometry of a card behind its quad.

    aspect    width over height of the card, perspective removed
    tilt_deg  angle between the card's plane and the picture plane, 0 .. 90
    """

    aspect: float
    tilt_deg: float


def quad_geometry(quad: np.ndarray, picture_size: tuple[int, int] | None = None) -> QuadGeometry:
    """Aspect ratio and tilt of a rectangle from its four corners.

    quad          (4, 2) pixels, clockwise from the printed top left
    picture_size  (height, width) of the picture, whose center is the principal point; None assumes no perspective

    The focal length is solved from the corners if both pairs of sides converge measurably, else a phone's is assumed.
    Method: Zhang and He, "Whiteboard scanning and image enhancement", 2007.
    """
    if picture_size is None:
        return QuadGeometry(_mean_aspect(quad), 0.0)
    aspects, tilts_deg = aspects_and_tilts(quad[None], picture_size)
    return QuadGeometry(float(aspects[0]), float(tilts_deg[0]))


def aspects_and_tilts(quads: np.ndarray, picture_size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Vectorized `quad_geometry`: (N, 4, 2) pixels to (N,) aspects and (N,) tilts in degrees."""
    height, width = picture_size
    rays = (quads - (np.array([width, height]) - 1) / 2) / max(height, width)
    rays = np.concatenate([rays, np.ones((len(rays), 4, 1))], axis=2)
    top_left, top_right, bottom_right, bottom_left = (rays[:, corner] for corner in range(4))
    diagonal = np.cross(top_left, bottom_right)
    right_scale = _dot(diagonal, bottom_left) / _dot(np.cross(top_right, bottom_right), bottom_left)
    left_scale = _dot(diagonal, top_right) / _dot(np.cross(bottom_left, bottom_right), top_right)
    across = right_scale[:, None] * top_right - top_left
    down = left_scale[:, None] * bottom_left - top_left
    focal = _focal(across, down)[:, None]
    right = np.concatenate([across[:, :2] / focal, across[:, 2:]], axis=1)
    below = np.concatenate([down[:, :2] / focal, down[:, 2:]], axis=1)
    normal = np.cross(right, below)
    tilt = np.degrees(np.arccos(np.clip(np.abs(normal[:, 2]) / np.linalg.norm(normal, axis=1), 0, 1)))
    return np.linalg.norm(right, axis=1) / np.linalg.norm(below, axis=1), tilt


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(axis=1)


def _focal(across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Return the focal lengths, in longer sides of the picture, at which the card's two directions are orthogonal."""
    convergence = across[:, 2] * down[:, 2]
    converges = np.minimum(np.abs(across[:, 2]), np.abs(down[:, 2])) >= MIN_CONVERGENCE
    squared = -_dot(across[:, :2], down[:, :2]) / np.where(converges, convergence, 1)
    solved = np.clip(np.sqrt(np.maximum(squared, 0)), MIN_FOCAL, MAX_FOCAL)
    return np.where(converges & (squared > 0), solved, DEFAULT_FOCAL)


def _mean_aspect(quad: np.ndarray) -> float:
    top, right, bottom, left = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)
    return float((top + bottom) / (left + right))
