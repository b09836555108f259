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
    height, width = picture_size
    long_side = max(height, width)
    at = (quad - (np.array([width, height]) - 1) / 2) / long_side
    top_left, top_right, bottom_right, bottom_left = np.column_stack([at, np.ones(4)])
    diagonal = np.cross(top_left, bottom_right)
    across = (diagonal @ bottom_left) / (np.cross(top_right, bottom_right) @ bottom_left) * top_right - top_left
    down = (diagonal @ top_right) / (np.cross(bottom_left, bottom_right) @ top_right) * bottom_left - top_left
    focal = _focal(across, down)
    right = np.array([*(across[:2] / focal), across[2]])
    below = np.array([*(down[:2] / focal), down[2]])
    normal = np.cross(right, below)
    tilt = np.degrees(np.arccos(np.clip(abs(normal[2]) / np.linalg.norm(normal), 0, 1)))
    return View(float(np.linalg.norm(right) / np.linalg.norm(below)), float(tilt))


def _focal(across: np.ndarray, down: np.ndarray) -> float:
    """Focal length in long sides of the picture: the one that makes the card's two directions perpendicular."""
    if min(abs(across[2]), abs(down[2])) < TOO_FLAT_TO_TELL:
        return USUAL_FOCAL
    squared = -(across[:2] @ down[:2]) / (across[2] * down[2])
    return float(np.clip(np.sqrt(squared), SHORTEST_FOCAL, LONGEST_FOCAL)) if squared > 0 else USUAL_FOCAL


def _mean_aspect(quad: np.ndarray) -> float:
    top, right, bottom, left = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)
    return float((top + bottom) / (left + right))
