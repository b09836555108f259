"""How a card is seen: its true aspect and its tilt, from the four corners of its picture alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Telephones' main lenses see a long side of 24 to 28 mm equivalent: a focal length of 0.67 to 0.78 long sides.
USUAL_FOCAL = 0.8
SHORTEST_FOCAL = 0.5
LONGEST_FOCAL = 4.0
TOO_FLAT_TO_TELL = 0.04


@dataclass(frozen=True)
class View:
    """How the camera saw the card.

    aspect    width over height of the card itself, perspective undone
    tilt_deg  angle between the card's plane and the picture's, 0 .. 90
    """

    aspect: float
    tilt_deg: float


def view_of(quad: np.ndarray, picture_size: tuple[int, int] | None = None) -> View:
    """Undo the perspective of a rectangle's four corners.

    quad          (4, 2) pixels, clockwise from the printed top left
    picture_size  (height, width) of the picture; the lens is taken to look at its middle. None takes the quad as
                  seen straight on.

    The lens's focal length is solved from the corners where both pairs of sides visibly converge, and taken as a
    telephone's where they do not. Method: Zhang and He, "Whiteboard scanning and image enhancement", 2007.
    """
    if picture_size is None:
        return View(_mean_aspect(quad), 0.0)
    aspects, tilts_deg = views_of(quad[None], picture_size)
    return View(float(aspects[0]), float(tilts_deg[0]))


def views_of(quads: np.ndarray, picture_size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """view_of for many quads at once: (N, 4, 2) pixels to (N,) aspects and (N,) tilts in degrees."""
    height, width = picture_size
    at = (quads - (np.array([width, height]) - 1) / 2) / max(height, width)
    at = np.concatenate([at, np.ones((len(at), 4, 1))], axis=2)
    top_left, top_right, bottom_right, bottom_left = (at[:, corner] for corner in range(4))
    diagonal = np.cross(top_left, bottom_right)
    onto_right = _dot(diagonal, bottom_left) / _dot(np.cross(top_right, bottom_right), bottom_left)
    onto_left = _dot(diagonal, top_right) / _dot(np.cross(bottom_left, bottom_right), top_right)
    across = onto_right[:, None] * top_right - top_left
    down = onto_left[:, None] * bottom_left - top_left
    focal = _focal(across, down)[:, None]
    right = np.concatenate([across[:, :2] / focal, across[:, 2:]], axis=1)
    below = np.concatenate([down[:, :2] / focal, down[:, 2:]], axis=1)
    normal = np.cross(right, below)
    tilt = np.degrees(np.arccos(np.clip(np.abs(normal[:, 2]) / np.linalg.norm(normal, axis=1), 0, 1)))
    return np.linalg.norm(right, axis=1) / np.linalg.norm(below, axis=1), tilt


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(axis=1)


def _focal(across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Focal lengths in long sides of the picture: those that make a card's two directions perpendicular."""
    converging = across[:, 2] * down[:, 2]
    told = np.minimum(np.abs(across[:, 2]), np.abs(down[:, 2])) >= TOO_FLAT_TO_TELL
    squared = -_dot(across[:, :2], down[:, :2]) / np.where(told, converging, 1)
    solved = np.clip(np.sqrt(np.maximum(squared, 0)), SHORTEST_FOCAL, LONGEST_FOCAL)
    return np.where(told & (squared > 0), solved, USUAL_FOCAL)


def _mean_aspect(quad: np.ndarray) -> float:
    top, right, bottom, left = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)
    return float((top + bottom) / (left + right))
