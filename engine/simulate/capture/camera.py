"""Where a flat thing lies in a picture: a pinhole camera with a little lens distortion, and the truth it projects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.random import Generator

COARSE = 16  # the distorted map is computed at every 16th pixel: its curvature is below 0.02 px over that distance
LEAST_MARGIN = 0.012  # of the picture's short side, between it and what is shown


@dataclass(frozen=True)
class View:
    """A camera's view of one plane.

    homography  3 x 3, from pixels of the plane to those of a picture without distortion
    bend        what the lens adds: a point at one half of the diagonal from the middle moves by this share
    height, width  of the picture
    """

    homography: np.ndarray
    bend: float
    height: int
    width: int

    def project(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) pixels of the plane to (N, 2) pixels of the picture."""
        seen = np.column_stack([points, np.ones(len(points))]) @ self.homography.T
        straight = seen[:, :2] / seen[:, 2:]
        if self.bend == 0:
            return straight
        away = straight - self._middle
        bent = away.copy()
        for _ in range(20):  # a fixed point: the lens moves points by less than a fiftieth
            bent = away / self._stretch(bent)[:, None]
        return bent + self._middle

    @property
    def _middle(self) -> np.ndarray:
        return np.array([self.width - 1, self.height - 1]) / 2

    def _stretch(self, away: np.ndarray) -> np.ndarray:
        """How many times further from the middle a picture's point would lie without the lens's bend."""
        return 1 + self.bend * (away**2).sum(axis=-1) / (self._middle**2).sum()

    def show(self, plane: np.ndarray, *, repeat: bool = False) -> np.ndarray:
        """The plane as the picture has it, (height, width[, 3]) uint8; beyond it black, or its own mirror image."""
        size = (self.width, self.height)
        border = cv2.BORDER_REFLECT_101 if repeat else cv2.BORDER_CONSTANT
        if self.bend == 0:
            return cv2.warpPerspective(plane, self.homography, size, flags=cv2.INTER_LINEAR, borderMode=border)
        return cv2.remap(plane, *self._maps, interpolation=cv2.INTER_LINEAR, borderMode=border)

    def scaled(self, plane_px: float) -> View:
        """The view of a plane whose pixels are that many times larger, without the lens: good enough for a ground."""
        larger = np.diag([plane_px, plane_px, 1.0])
        return View(self.homography @ larger, 0.0, self.height, self.width)

    @cached_property
    def _maps(self) -> tuple[np.ndarray, np.ndarray]:
        """Which point of the plane each pixel shows, (height, width) float32 twice."""
        rows, columns = -(-self.height // COARSE) + 2, -(-self.width // COARSE) + 2
        y = (np.arange(rows) - 0.5) * COARSE - 0.5
        x = (np.arange(columns) - 0.5) * COARSE - 0.5
        away = np.stack(np.meshgrid(x, y), axis=-1) - self._middle
        straight = away * self._stretch(away)[..., None] + self._middle
        points = np.concatenate([straight, np.ones((rows, columns, 1))], axis=-1) @ np.linalg.inv(self.homography).T
        coarse = (points[..., :2] / points[..., 2:]).astype(np.float32)
        fine = cv2.resize(coarse, (columns * COARSE, rows * COARSE), interpolation=cv2.INTER_LINEAR)
        fine = fine[COARSE : COARSE + self.height, COARSE : COARSE + self.width]
        return np.ascontiguousarray(fine[..., 0]), np.ascontiguousarray(fine[..., 1])


def flat_view(random: Generator, plane: tuple[int, int], *, turn_deg: float, slack_px: float) -> View:
    """A scanner's view of a plane (height, width): turned a little, at its own scale, with that room around it."""
    height, width = plane
    cos, sin = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    tall = round(height * abs(cos) + width * abs(sin) + slack_px)
    wide = round(width * abs(cos) + height * abs(sin) + slack_px)
    middle = np.array([width - 1, height - 1]) / 2
    seen = np.array([wide - 1, tall - 1]) / 2 + random.uniform(-0.5, 0.5, 2) * min(1.0, slack_px)
    turn = np.array([(cos, -sin), (sin, cos)])
    homography = np.eye(3)
    homography[:2, :2] = turn
    homography[:2, 2] = seen - turn @ middle
    return View(homography, 0.0, tall, wide)


def held_view(
    random: Generator, plane: tuple[int, int], *, tilt_deg: float, turn_deg: float, share: float, bend: float
) -> View:
    """A telephone's view of a plane (height, width) that fills that share of the picture, seen at its own scale.

    The camera looks at the picture's middle; what it shows lies anywhere, its corners inside the picture.
    """
    towards = float(random.uniform(0, 2 * np.pi))
    focal = float(random.uniform(0.72, 1.0))
    aside = random.uniform(-1, 1, 2)
    tall, wide = plane
    own = np.array([(-0.5, -0.5), (wide - 0.5, -0.5), (wide - 0.5, tall - 0.5), (-0.5, tall - 0.5)])
    for _ in range(40):
        long_side = max(tall, wide * 4 / 3) / share
        size = (round(long_side), round(long_side * 3 / 4))
        homography = _pinhole(
            plane, size, focal * long_side, np.radians(tilt_deg), towards, np.radians(turn_deg), aside
        )
        view = View(homography, bend, *size)
        corners = view.project(own)
        margin = LEAST_MARGIN * size[1]
        if corners.min() >= margin and (corners <= np.array(size[::-1]) - 1 - margin).all():
            return view
        aside, share = aside * 0.8, share * 0.97
    raise RuntimeError(f"a plane of {plane} pixels, tilted by {tilt_deg:.0f} degrees, fits no picture")


def _pinhole(
    plane: tuple[int, int],
    size: tuple[int, int],
    focal: float,
    tilt: float,
    towards: float,
    turn: float,
    aside: np.ndarray,
) -> np.ndarray:
    height, width = size
    axis = tilt * np.array([np.cos(towards), np.sin(towards), 0.0])
    rotation = cv2.Rodrigues(axis)[0] @ cv2.Rodrigues(np.array([0, 0, turn]))[0]
    middle = np.array([width - 1, height - 1]) / 2
    room = np.maximum(np.array([width, height]) - np.array(plane[::-1]), 0) / 2
    place = np.array([*(aside * room), focal])
    lens = np.array([(focal, 0, middle[0]), (0, focal, middle[1]), (0, 0, 1.0)])
    centred = np.array([(1, 0, -(plane[1] - 1) / 2), (0, 1, -(plane[0] - 1) / 2), (0, 0, 1.0)])
    return lens @ np.column_stack([rotation[:, 0], rotation[:, 1], place]) @ centred
