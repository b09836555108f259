"""Simulated camera: a pinhole with radial lens distortion, which renders a plane and projects its points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.random import Generator

MAP_STEP_PX = 16  # the distortion map is computed at every 16th pixel and interpolated, with an error below 0.02 px
MIN_MARGIN_FRACTION = 0.012  # of the picture's short side, between its bounds and the plane


@dataclass(frozen=True)
class PlaneView:
    """A camera's view of one plane.

    homography     (3, 3), from pixels of the plane to pixels of a picture without distortion
    distortion     radial lens distortion: the relative shift of a point at half the diagonal from the centre
    height, width  size of the picture in pixels
    """

    homography: np.ndarray
    distortion: float
    height: int
    width: int

    def project(self, points: np.ndarray) -> np.ndarray:
        """Project pixels of the plane, (N, 2), to pixels of the picture, (N, 2)."""
        projected = np.column_stack([points, np.ones(len(points))]) @ self.homography.T
        undistorted = projected[:, :2] / projected[:, 2:]
        if self.distortion == 0:
            return undistorted
        offset = undistorted - self._centre
        distorted = offset.copy()
        for _ in range(20):  # fixed-point iteration: the lens moves points by less than 1/50, so it converges
            distorted = offset / self._distortion_factor(distorted)[:, None]
        return distorted + self._centre

    @property
    def _centre(self) -> np.ndarray:
        return np.array([self.width - 1, self.height - 1]) / 2

    def _distortion_factor(self, offset: np.ndarray) -> np.ndarray:
        """Ratio of a point's distance from the centre without the lens distortion to that with it."""
        return 1 + self.distortion * (offset**2).sum(axis=-1) / (self._centre**2).sum()

    def render(self, plane: np.ndarray, *, repeat: bool = False) -> np.ndarray:
        """Render the plane, (height, width[, 3]) uint8; beyond it black, or its mirror image if `repeat`."""
        size = (self.width, self.height)
        border = cv2.BORDER_REFLECT_101 if repeat else cv2.BORDER_CONSTANT
        if self.distortion == 0:
            return cv2.warpPerspective(plane, self.homography, size, flags=cv2.INTER_LINEAR, borderMode=border)
        return cv2.remap(plane, *self._maps, interpolation=cv2.INTER_LINEAR, borderMode=border)

    def for_coarser_plane(self, plane_px: float) -> PlaneView:
        """View of a plane with pixels `plane_px` times as large, without distortion: enough for a background."""
        scale = np.diag([plane_px, plane_px, 1.0])
        return PlaneView(self.homography @ scale, 0.0, self.height, self.width)

    @cached_property
    def _maps(self) -> tuple[np.ndarray, np.ndarray]:
        """Plane coordinates x and y of each picture pixel, each (height, width) float32."""
        rows, columns = -(-self.height // MAP_STEP_PX) + 2, -(-self.width // MAP_STEP_PX) + 2
        y = (np.arange(rows) - 0.5) * MAP_STEP_PX - 0.5
        x = (np.arange(columns) - 0.5) * MAP_STEP_PX - 0.5
        offset = np.stack(np.meshgrid(x, y), axis=-1) - self._centre
        undistorted = offset * self._distortion_factor(offset)[..., None] + self._centre
        points = np.concatenate([undistorted, np.ones((rows, columns, 1))], axis=-1) @ np.linalg.inv(self.homography).T
        coarse = (points[..., :2] / points[..., 2:]).astype(np.float32)
        fine = cv2.resize(coarse, (columns * MAP_STEP_PX, rows * MAP_STEP_PX), interpolation=cv2.INTER_LINEAR)
        fine = fine[MAP_STEP_PX : MAP_STEP_PX + self.height, MAP_STEP_PX : MAP_STEP_PX + self.width]
        return np.ascontiguousarray(fine[..., 0]), np.ascontiguousarray(fine[..., 1])


def scanner_view(random: Generator, plane: tuple[int, int], *, turn_deg: float, slack_px: float) -> PlaneView:
    """Scanner's view of a plane (height, width): rotated, at the plane's scale, with `slack_px` of free space."""
    height, width = plane
    cos, sin = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    view_height = round(height * abs(cos) + width * abs(sin) + slack_px)
    view_width = round(width * abs(cos) + height * abs(sin) + slack_px)
    centre = np.array([width - 1, height - 1]) / 2
    shifted_centre = np.array([view_width - 1, view_height - 1]) / 2 + random.uniform(-0.5, 0.5, 2) * min(1.0, slack_px)
    rotation = np.array([(cos, -sin), (sin, cos)])
    homography = np.eye(3)
    homography[:2, :2] = rotation
    homography[:2, 2] = shifted_centre - rotation @ centre
    return PlaneView(homography, 0.0, view_height, view_width)


def handheld_view(
    random: Generator,
    plane: tuple[int, int],
    *,
    tilt_deg: float,
    turn_deg: float,
    fill_fraction: float,
    distortion: float,
) -> PlaneView:
    """Phone camera's view of a plane (height, width) that fills a fraction of the picture's long side.

    The plane's position is random, with its four corners inside the picture; its scale is about one pixel per pixel.
    """
    tilt_axis_rad = float(random.uniform(0, 2 * np.pi))
    focal = float(random.uniform(0.72, 1.0))
    offset = random.uniform(-1, 1, 2)
    plane_height, plane_width = plane
    plane_corners = np.array(
        [(-0.5, -0.5), (plane_width - 0.5, -0.5), (plane_width - 0.5, plane_height - 0.5), (-0.5, plane_height - 0.5)]
    )
    for _ in range(40):
        long_side = max(plane_height, plane_width * 4 / 3) / fill_fraction
        size = (round(long_side), round(long_side * 3 / 4))
        homography = _pinhole_homography(
            plane, size, focal * long_side, np.radians(tilt_deg), tilt_axis_rad, np.radians(turn_deg), offset
        )
        view = PlaneView(homography, distortion, *size)
        corners = view.project(plane_corners)
        margin = MIN_MARGIN_FRACTION * size[1]
        if corners.min() >= margin and (corners <= np.array(size[::-1]) - 1 - margin).all():
            return view
        offset, fill_fraction = offset * 0.8, fill_fraction * 0.97
    raise RuntimeError(f"a plane of {plane} pixels, tilted by {tilt_deg:.0f} degrees, fits no picture")


def _pinhole_homography(
    plane: tuple[int, int],
    size: tuple[int, int],
    focal: float,
    tilt: float,
    tilt_axis_rad: float,
    turn: float,
    offset: np.ndarray,
) -> np.ndarray:
    height, width = size
    rotation_vector = tilt * np.array([np.cos(tilt_axis_rad), np.sin(tilt_axis_rad), 0.0])
    rotation = cv2.Rodrigues(rotation_vector)[0] @ cv2.Rodrigues(np.array([0, 0, turn]))[0]
    centre = np.array([width - 1, height - 1]) / 2
    free = np.maximum(np.array([width, height]) - np.array(plane[::-1]), 0) / 2
    translation = np.array([*(offset * free), focal])
    lens = np.array([(focal, 0, centre[0]), (0, focal, centre[1]), (0, 0, 1.0)])
    centring = np.array([(1, 0, -(plane[1] - 1) / 2), (0, 1, -(plane[0] - 1) / 2), (0, 0, 1.0)])
    return lens @ np.column_stack([rotation[:, 0], rotation[:, 1], translation]) @ centring
