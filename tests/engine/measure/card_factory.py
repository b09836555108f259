"""Synthetic cards with a known frame and wear of known size, drawn as polygons on a plain background."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from engine.image.rectify import TRADING, CardSize

SUPERSAMPLING = 4
MARGIN_MM = 5.0
Color = tuple[int, int, int]


@dataclass
class DrawnCard:
    """A card seen straight on, drawn at four times its resolution.

    borders_mm  left, top, right, bottom; None for a card without a frame
    tilt_deg    of the print, clockwise around the card's middle
    """

    px_per_mm: float = 12.0
    size: CardSize = TRADING
    borders_mm: tuple[float, float, float, float] | None = (3.0, 3.0, 3.0, 3.0)
    tilt_deg: float = 0.0
    border: Color = (28, 42, 86)
    inside: Color = (150, 116, 78)
    ground: Color = (128, 128, 128)
    radius_mm: float = 3.0
    noise: float = 1.5
    blur_px: float = 0.6
    patches: list[tuple[np.ndarray, Color]] = field(default_factory=list)
    lines: list[tuple[np.ndarray, float, Color]] = field(default_factory=list)

    def frame_mm(self) -> np.ndarray:
        """(4, 2) corners of the printed frame, clockwise from its top left."""
        left, top, right, bottom = self.borders_mm
        width, height = self.size.width_mm, self.size.height_mm
        corners = np.array(
            [(left, top), (width - right, top), (width - right, height - bottom), (left, height - bottom)]
        )
        middle = np.array([width, height]) / 2
        cos, sin = np.cos(np.radians(self.tilt_deg)), np.sin(np.radians(self.tilt_deg))
        return (corners - middle) @ np.array([(cos, sin), (-sin, cos)]) + middle

    def quad(self) -> np.ndarray:
        """(4, 2) corners of the card in pixels of the picture."""
        width, height = self.size.width_mm, self.size.height_mm
        corners = np.array([(0, 0), (width, 0), (width, height), (0, height)])
        return (corners + MARGIN_MM) * self.px_per_mm - 0.5

    def picture(self, seed: int = 0) -> np.ndarray:
        """Draw the card: (H, W, 3) uint8."""
        width, height = self.size.width_mm, self.size.height_mm
        shape = tuple(round((side + 2 * MARGIN_MM) * self.px_per_mm) * SUPERSAMPLING for side in (height, width))
        rgb = np.full((*shape, 3), self.ground, np.uint8)
        self._fill(rgb, self._outline(), self.border)
        if self.borders_mm is not None:
            self._fill(rgb, self.frame_mm(), self.inside)
        for outline, color in self.patches:
            self._fill(rgb, outline, color)
        for line, thick_mm, color in self.lines:
            cv2.polylines(
                rgb,
                [self._fixed_point(line)],
                False,
                color,
                round(thick_mm * self.px_per_mm * SUPERSAMPLING),
                cv2.LINE_AA,
                8,
            )
        small = cv2.resize(
            rgb, (shape[1] // SUPERSAMPLING, shape[0] // SUPERSAMPLING), interpolation=cv2.INTER_AREA
        ).astype(np.float32)
        if self.blur_px:
            small = cv2.GaussianBlur(small, (0, 0), self.blur_px)
        small += np.random.default_rng(seed).normal(0, self.noise, small.shape)
        return np.clip(small + 0.5, 0, 255).astype(np.uint8)

    def _outline(self) -> np.ndarray:
        width, height, radius = self.size.width_mm, self.size.height_mm, self.radius_mm
        angle = np.linspace(0, np.pi / 2, 40)
        arcs = [
            np.column_stack([x + radius * np.cos(angle + start), y + radius * np.sin(angle + start)])
            for x, y, start in (
                (radius, radius, np.pi),
                (width - radius, radius, 1.5 * np.pi),
                (width - radius, height - radius, 0.0),
                (radius, height - radius, 0.5 * np.pi),
            )
        ]
        return np.concatenate(arcs)

    def _fixed_point(self, points_mm: np.ndarray) -> np.ndarray:
        pixels = (np.asarray(points_mm, float) + MARGIN_MM) * self.px_per_mm * SUPERSAMPLING - 0.5
        return np.rint(pixels * 256).astype(np.int32)

    def _fill(self, rgb: np.ndarray, points_mm: np.ndarray, color: Color) -> None:
        cv2.fillPoly(rgb, [self._fixed_point(points_mm)], color, cv2.LINE_AA, 8)


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """(4, 2) corners of a rectangle in mm."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
