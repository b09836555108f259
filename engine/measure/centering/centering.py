"""Centering: borders between printed frame and physical edge in millimeters and as ratios, with uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.cards.rubric import format_centering, larger_border_percent
from engine.errors import BadInput
from engine.image.quads import quad_from_lines
from engine.measure.card_edges import CardEdge
from engine.measure.centering.frame import FrameLine, NoFrame, find_frame
from engine.measure.flat_card import SIDES, FlatCard, points_along_side

# Set by hand on simulated scans, if no source is named: see engine/measure/__init__.py.

# Half width of the reported interval in standard errors; it contains the truth in about 95 of 100 measurements.
INTERVAL_STANDARD_ERRORS = 2.0
# Standard error of a line that a person laid.
MANUAL_LINE_ERROR_MM = 0.05
MIN_BORDER_PAIR_MM = 0.4
# Off-center printing moves the frame and keeps left + right and top + bottom. On seven real cards measured by hand the
# smaller sum is .80 to .98 of the larger, and 5.1 to 6.6 mm; if they differ more, a line was mistaken for the frame
# or an edge for the card's.
MIN_BORDER_SUM_RATIO = 0.78
MIN_BORDER_SUM_MM = 4.0
MIN_PX_PER_MM = 3.0


class BadLines(BadInput):
    """Eight lines that do not bound a frame; the message names the line and the remedy."""


@dataclass(frozen=True)
class MeasuredCentering:
    """Position of the print on one side of a card.

    left_mm, right_mm, top_mm, bottom_mm  border at the middle of each side
    lr, tb          larger border in percent of left and right, of top and bottom, at the frame's worse end: 50 to 100
    lr_uncertainty, tb_uncertainty        half width of the 95 % interval, in percentage points
    uncertainty_mm  half width of the 95 % interval of the least certain border
    tilt_deg        of the print on the card, clockwise as seen
    physical, printed  (4, 2, 2) mm on the card: top, right, bottom and left line, two points (x, y) each, clockwise
    by_hand         a person laid the lines
    """

    left_mm: float
    right_mm: float
    top_mm: float
    bottom_mm: float
    lr: float
    tb: float
    lr_uncertainty: float
    tb_uncertainty: float
    uncertainty_mm: float
    tilt_deg: float
    physical: np.ndarray
    printed: np.ndarray
    by_hand: bool = False

    @property
    def worse_axis(self) -> float:
        """Larger border of the worse axis in percent; it determines the centering ceiling."""
        return max(self.lr, self.tb)

    @property
    def borders_agree(self) -> bool:
        """True if the four borders can be those of one printed frame: both sums are similar, and large enough.

        The stated uncertainty is that of the lines; it does not include that a line may be another line.
        """
        smaller, larger = sorted((self.left_mm + self.right_mm, self.top_mm + self.bottom_mm))
        return smaller >= max(MIN_BORDER_SUM_MM, MIN_BORDER_SUM_RATIO * larger)

    @property
    def is_trusted(self) -> bool:
        """True if a person laid the lines, or if they can be those of one printed frame."""
        return self.by_hand or self.borders_agree

    @property
    def left_fraction(self) -> float:
        """Left border as a fraction of left and right, 0 to 1."""
        return border_fraction(self.left_mm, self.right_mm)

    @property
    def top_fraction(self) -> float:
        """Top border as a fraction of top and bottom, 0 to 1."""
        return border_fraction(self.top_mm, self.bottom_mm)

    def as_json(self) -> dict[str, Any]:
        """Fields that `grade` prints; `lr_written` and `tb_written` are ratios as collectors write them."""
        return {
            **{name: round(getattr(self, name), 3) for name in ("left_mm", "right_mm", "top_mm", "bottom_mm")},
            **{name: round(getattr(self, name), 2) for name in ("lr", "tb", "lr_uncertainty", "tb_uncertainty")},
            "lr_written": format_centering(self.lr, 100 - self.lr),
            "tb_written": format_centering(self.tb, 100 - self.tb),
            "uncertainty_mm": round(self.uncertainty_mm, 3),
            "tilt_deg": round(self.tilt_deg, 2),
            "physical": np.round(self.physical, 3).tolist(),
            "printed": np.round(self.printed, 3).tolist(),
            "by_hand": self.by_hand,
        }


@dataclass(frozen=True)
class NoCentering:
    """Reason why a side has no centering, as a clause: "no printed frame found at the top"."""

    reason: str


def measure_centering(card: FlatCard, edges: list[CardEdge]) -> MeasuredCentering | NoCentering:
    """Measure the centering of a rectified card.

    edges  from `card_edges.find_edges`
    """
    if card.px_per_mm < MIN_PX_PER_MM:
        return NoCentering("the picture is too small to measure borders; scan at 300 dpi or photograph from closer")
    frame = find_frame(card, edges)
    if isinstance(frame, NoFrame):
        return NoCentering(frame.reason)
    lines, errors = _frame_lines_mm(card, edges, frame)
    try:
        return centering_from_lines(*lines, error_mm=errors)
    except BadLines as error:
        return NoCentering(str(error))


def centering_from_lines(
    physical: np.ndarray, printed: np.ndarray, *, error_mm: np.ndarray | None = None
) -> MeasuredCentering:
    """Compute centering from eight lines, measured or dragged by a person.

    physical  (4, 2, 2) mm: the card's top, right, bottom and left edge, two points (x, y) each, clockwise
    printed   (4, 2, 2) mm: the frame's lines in the same order
    error_mm  (4, 2) standard error of each border at both ends of its side, clockwise; None for lines laid by a
              person: 0.05 mm
    raises    BadLines if the printed lines do not bound a frame, or if two opposing borders sum to less than 0.4 mm
    """
    physical, printed = np.asarray(physical, float), np.asarray(printed, float)
    widths = border_widths(physical, printed)
    errors = np.full((4, 2), MANUAL_LINE_ERROR_MM) if error_mm is None else error_mm
    top, right, bottom, left = widths
    # Each axis at both ends of the frame; ends run clockwise, so opposing sides have them in opposite order.
    axes = {
        "lr": ((left[1], right[0], errors[3, 1], errors[1, 0]), (left[0], right[1], errors[3, 0], errors[1, 1])),
        "tb": ((top[0], bottom[1], errors[0, 0], errors[2, 1]), (top[1], bottom[0], errors[0, 1], errors[2, 0])),
    }
    larger = {axis: max(_larger_percent(*end) for end in ends) for axis, ends in axes.items()}
    return MeasuredCentering(
        left_mm=float(left.mean()),
        right_mm=float(right.mean()),
        top_mm=float(top.mean()),
        bottom_mm=float(bottom.mean()),
        lr=larger["lr"][0],
        tb=larger["tb"][0],
        lr_uncertainty=INTERVAL_STANDARD_ERRORS * larger["lr"][1],
        tb_uncertainty=INTERVAL_STANDARD_ERRORS * larger["tb"][1],
        uncertainty_mm=INTERVAL_STANDARD_ERRORS * float(errors.max()),
        tilt_deg=_tilt_deg(physical, printed),
        physical=physical,
        printed=printed,
        by_hand=error_mm is None,
    )


def border_widths(physical: np.ndarray, printed: np.ndarray) -> np.ndarray:
    """(4, 2) mm: each side's border at its two frame corners, clockwise; negative if the cut is inside the frame."""
    directions = printed[:, 1] - printed[:, 0]
    lengths = np.linalg.norm(directions, axis=1)
    if (lengths < 1.0).any():
        raise BadLines(f"the printed {SIDES[int(lengths.argmin())]} line is a point; drag its ends apart")
    corners = quad_from_lines(
        [(line[0], direction / length) for line, direction, length in zip(printed, directions, lengths, strict=True)]
    )
    if corners is None:
        raise BadLines("two neighboring printed lines are parallel; drag them onto the frame's four sides")
    widths = np.empty((4, 2))
    for side, (start, end) in enumerate(physical):
        along = (end - start) / max(float(np.linalg.norm(end - start)), 1e-9)
        inward = np.array([-along[1], along[0]])
        for index, corner in enumerate((corners[side], corners[(side + 1) % 4])):
            widths[side, index] = (corner - start) @ inward
    return widths


def border_fraction(first_mm: float, second_mm: float) -> float:
    """First border as a fraction of both, 0 to 1; a border that is cut away (negative) counts as 0."""
    first, second = max(first_mm, 0.0), max(second_mm, 0.0)
    return first / (first + second)


def _larger_percent(first: float, second: float, first_error: float, second_error: float) -> tuple[float, float]:
    """Larger border in percent of both, and its standard error in percentage points."""
    first, second = max(first, 0.0), max(second, 0.0)
    total = first + second
    if total < MIN_BORDER_PAIR_MM:
        raise BadLines(f"two opposing borders are {total:.2f} mm together; there is no border to measure")
    error = 100 * float(np.hypot(second * first_error, first * second_error)) / total**2
    return larger_border_percent(first, second), error


def _tilt_deg(physical: np.ndarray, printed: np.ndarray) -> float:
    def rotations(lines: np.ndarray) -> np.ndarray:
        directions = lines[:, 1] - lines[:, 0]
        return np.asarray(np.degrees(np.arctan2(directions[:, 1], directions[:, 0])) - np.array([0, 90, 180, -90]))

    difference = (rotations(printed) - rotations(physical) + 180) % 360 - 180
    return float(np.median(difference))


def _frame_lines_mm(
    card: FlatCard, edges: list[CardEdge], frame: list[FrameLine]
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Physical and printed lines between the frame's corners, and the standard error of each border at both ends."""
    middles = [np.array([edge.length_mm / 2]) for edge in edges]
    borders = [
        float(line.depth_at(middle)[0] - edge.depth_at(middle)[0])
        for edge, line, middle in zip(edges, frame, middles, strict=True)
    ]
    physical, printed, errors = np.empty((4, 2, 2)), np.empty((4, 2, 2)), np.empty((4, 2))
    for side, (edge, line) in enumerate(zip(edges, frame, strict=True)):
        ends = np.array([max(borders[side - 1], 0.0), edge.length_mm - max(borders[(side + 1) % 4], 0.0)])
        physical[side] = points_along_side(side, ends, edge.depth_at(ends), card.size)
        printed[side] = points_along_side(side, ends, line.depth_at(ends), card.size)
        errors[side] = line.error_at(ends, edge)
    return (physical, printed), errors
