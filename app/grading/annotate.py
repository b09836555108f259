"""A side laid flat with its eight lines drawn and its findings circled and numbered, as a picture to keep."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from app.grading.findings import MOST_CIRCLED, Finding, findings_of
from app.grading.measured_side import Measured
from engine.measure.centering.centering import Centering

LEAST_HEIGHT = 1200
# Told apart by the colour-blind too; the dark line below keeps them visible on any print.
EDGE, FRAME, FINDING, SHADOW = (255, 160, 30), (0, 214, 255), (255, 60, 120), (20, 20, 20)
SUBPIXEL_BITS = 4


class _Canvas:
    """A flat card to draw on in millimetres, enlarged where it is small."""

    def __init__(self, measured: Measured) -> None:
        flat = measured.flat
        self._times = max(1.0, LEAST_HEIGHT / flat.rgb.shape[0])
        shape = tuple(round(side * self._times) for side in flat.rgb.shape[1::-1])
        self.rgb = cv2.resize(flat.rgb, shape, interpolation=cv2.INTER_CUBIC)
        self._flat = flat
        self.thin = max(2, round(self.rgb.shape[0] / 700))

    def px(self, point_mm: np.ndarray | tuple[float, float]) -> np.ndarray:
        """(2,) pixels of a place on the card."""
        return np.asarray((self._flat.px(np.asarray(point_mm)) + 0.5) * self._times - 0.5)

    def length_px(self, length_mm: float) -> float:
        return length_mm * self._flat.px_per_mm * self._times

    def line(self, start: np.ndarray, end: np.ndarray, colour: tuple[int, int, int]) -> None:
        """A line through two places, drawn from one end of the card's side to the other and a little beyond."""
        first, last = (self._fixed(point) for point in self._across(start, end))
        for shade, width in ((SHADOW, self.thin + 2), (colour, self.thin)):
            cv2.line(self.rgb, first, last, shade, width, cv2.LINE_AA, SUBPIXEL_BITS)

    def _across(self, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        way = end - start
        size = np.array([self._flat.size.width_mm, self._flat.size.height_mm])
        axis = int(abs(way[1]) > abs(way[0]))
        ends = ((-1.0 - start[axis]) / way[axis], (size[axis] + 1.0 - start[axis]) / way[axis])
        return start + ends[0] * way, start + ends[1] * way

    def circle(self, finding: Finding) -> None:
        middle = self._fixed(np.array(finding.at_mm))
        radius = round(self.length_px(finding.reach_mm) * 2**SUBPIXEL_BITS)
        for shade, width in ((SHADOW, self.thin + 2), (FINDING, self.thin + 1)):
            cv2.circle(self.rgb, middle, radius, shade, width, cv2.LINE_AA, SUBPIXEL_BITS)
        if finding.points_mm:
            points = np.array([self._fixed(np.array(point)) for point in finding.points_mm], np.int32)
            cv2.polylines(self.rgb, [points], False, FINDING, 1, cv2.LINE_AA, SUBPIXEL_BITS)

    def _fixed(self, point_mm: np.ndarray) -> tuple[int, int]:
        x, y = np.rint(self.px(point_mm) * 2**SUBPIXEL_BITS).astype(int)
        return int(x), int(y)

    def numbered(self, findings: list[Finding]) -> np.ndarray:
        """The picture with each circle's number beside it, on the side towards the card's middle."""
        picture = Image.fromarray(self.rgb)
        draw = ImageDraw.Draw(picture)
        font = ImageFont.load_default(size=max(14, self.rgb.shape[0] // 50))
        middle = np.array([self._flat.size.width_mm, self._flat.size.height_mm]) / 2
        for finding in findings:
            at = np.array(finding.at_mm)
            towards = (middle - at) / max(float(np.linalg.norm(middle - at)), 1e-6)
            place = self.px(at + towards * (finding.reach_mm + 1.2))
            draw.text(tuple(place), str(finding.number), FINDING, font, "mm", stroke_width=3, stroke_fill=SHADOW)
        return np.asarray(picture)


def drawn(measured: Measured) -> np.ndarray:
    """(H, W, 3) uint8: the card with the lines its centering was told from, and its largest findings circled."""
    canvas = _Canvas(measured)
    centering = measured.centering
    outline = centering.physical if isinstance(centering, Centering) else measured.outline
    for start, end in outline:
        canvas.line(start, end, EDGE)
    if isinstance(centering, Centering):
        for start, end in centering.printed:
            canvas.line(start, end, FRAME)
    circled = findings_of(measured)[:MOST_CIRCLED]
    for finding in circled:
        canvas.circle(finding)
    return canvas.numbered(circled)
