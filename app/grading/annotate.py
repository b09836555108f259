"""Annotated picture of a flat card: its eight centering lines, and its worst findings circled and numbered."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from engine.inference.card_side import CardSide
from engine.measure.centering.centering import MeasuredCentering
from engine.measure.findings.findings import MAX_CIRCLES, Finding
from engine.measure.flat_card import FlatCard

MIN_HEIGHT_PX = 1200
# Distinct for color-blind readers too; the dark line below keeps them visible on any print.
EDGE, FRAME, FINDING, SHADOW = (255, 160, 30), (0, 214, 255), (255, 60, 120), (20, 20, 20)
SUBPIXEL_BITS = 4


class _Canvas:
    """Flat card to draw on in millimeters, enlarged if it is small."""

    def __init__(self, flat: FlatCard) -> None:
        self._scale = max(1.0, MIN_HEIGHT_PX / flat.rgb.shape[0])
        shape = tuple(round(side * self._scale) for side in flat.rgb.shape[1::-1])
        self.rgb = cv2.resize(flat.rgb, shape, interpolation=cv2.INTER_CUBIC)
        self._flat = flat
        self.line_width_px = max(2, round(self.rgb.shape[0] / 700))

    def px(self, point_mm: np.ndarray | tuple[float, float]) -> np.ndarray:
        """Return the (2,) pixel coordinates of a point on the card."""
        return np.asarray((self._flat.raster_px(np.asarray(point_mm)) + 0.5) * self._scale - 0.5)

    def length_px(self, length_mm: float) -> float:
        return length_mm * self._flat.px_per_mm * self._scale

    def line(self, start: np.ndarray, end: np.ndarray, line_color: tuple[int, int, int]) -> None:
        """Draw the line through two points over the whole length of the card and 1 mm beyond."""
        first, last = (self._fixed_point(point) for point in self._extend(start, end))
        for color, width in ((SHADOW, self.line_width_px + 2), (line_color, self.line_width_px)):
            cv2.line(self.rgb, first, last, color, width, cv2.LINE_AA, SUBPIXEL_BITS)

    def _extend(self, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        direction = end - start
        size = np.array([self._flat.size.width_mm, self._flat.size.height_mm])
        axis = int(abs(direction[1]) > abs(direction[0]))
        ends = ((-1.0 - start[axis]) / direction[axis], (size[axis] + 1.0 - start[axis]) / direction[axis])
        return start + ends[0] * direction, start + ends[1] * direction

    def circle(self, finding: Finding) -> None:
        middle = self._fixed_point(np.array(finding.at_mm))
        radius = round(self.length_px(finding.radius_mm) * 2**SUBPIXEL_BITS)
        for color, width in ((SHADOW, self.line_width_px + 2), (FINDING, self.line_width_px + 1)):
            cv2.circle(self.rgb, middle, radius, color, width, cv2.LINE_AA, SUBPIXEL_BITS)
        if finding.points_mm:
            points = np.array([self._fixed_point(np.array(point)) for point in finding.points_mm], np.int32)
            cv2.polylines(self.rgb, [points], False, FINDING, 1, cv2.LINE_AA, SUBPIXEL_BITS)

    def _fixed_point(self, point_mm: np.ndarray) -> tuple[int, int]:
        x, y = np.rint(self.px(point_mm) * 2**SUBPIXEL_BITS).astype(int)
        return int(x), int(y)

    def with_numbers(self, findings: Sequence[Finding]) -> np.ndarray:
        """Return the picture with a number next to each circle, on the side facing the card's middle."""
        picture = Image.fromarray(self.rgb)
        draw = ImageDraw.Draw(picture)
        font = ImageFont.load_default(size=max(14, self.rgb.shape[0] // 50))
        middle = np.array([self._flat.size.width_mm, self._flat.size.height_mm]) / 2
        for finding in findings:
            center = np.array(finding.at_mm)
            inward = (middle - center) / max(float(np.linalg.norm(middle - center)), 1e-6)
            position = self.px(center + inward * (finding.radius_mm + 1.2))
            draw.text(tuple(position), str(finding.number), FINDING, font, "mm", stroke_width=3, stroke_fill=SHADOW)
        return np.asarray(picture)


def annotated_picture(side: CardSide) -> np.ndarray:
    """Draw the centering lines on the flat card and circle the worst findings; returns (H, W, 3) uint8 RGB."""
    measurements, centering = side.measurements, side.centering
    canvas = _Canvas(measurements.flat)
    outline = centering.physical if isinstance(centering, MeasuredCentering) else measurements.outline
    for start, end in outline:
        canvas.line(start, end, EDGE)
    if isinstance(centering, MeasuredCentering):
        for start, end in centering.printed:
            canvas.line(start, end, FRAME)
    circled = side.findings.listed[:MAX_CIRCLES]
    for finding in circled:
        canvas.circle(finding)
    return canvas.with_numbers(circled)
