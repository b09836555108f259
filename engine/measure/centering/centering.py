"""Centering: the printed frame against the physical edge, in millimetres and shares, with uncertainty or a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.cards.rubric import larger_share, written
from engine.errors import BadInput
from engine.image.quads import crossings
from engine.measure.card_edges import Edge
from engine.measure.centering.frame import Frame, NoFrame, find_frame
from engine.measure.flat_card import SIDES, Flat, point_at

# The ends of the stated interval: the truth lies within it in about 95 of 100 measurements.
HALF_WIDTH = 2.0
BY_HAND_ERROR_MM = 0.05
NARROWEST_PAIR_MM = 0.4
LEAST_PX_PER_MM = 3.0


class BadLines(BadInput):
    """Eight lines that bound no frame; the message says which and what to do."""


@dataclass(frozen=True)
class Centering:
    """How a side's print lies on its card.

    left_mm, right_mm, top_mm, bottom_mm  border at the middle of each side
    lr, tb          larger share in percent of left and right, of top and bottom, at the frame's worse end: 50 to 100
    lr_uncertainty, tb_uncertainty        half of the interval, in points, that holds the truth 95 times in 100
    uncertainty_mm  half of that interval for the least certain border
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
    def worst(self) -> float:
        """The larger share of the worse axis, in percent: what the rubric's ceiling is told from."""
        return max(self.lr, self.tb)

    @property
    def left_share(self) -> float:
        """Left border as a share of left and right, 0 to 1."""
        return share_of(self.left_mm, self.right_mm)

    @property
    def top_share(self) -> float:
        """Top border as a share of top and bottom, 0 to 1."""
        return share_of(self.top_mm, self.bottom_mm)

    def as_json(self) -> dict[str, Any]:
        """As `grade` reports it: shares as numbers, beside them as collectors write them."""
        return {
            **{name: round(getattr(self, name), 3) for name in ("left_mm", "right_mm", "top_mm", "bottom_mm")},
            **{name: round(getattr(self, name), 2) for name in ("lr", "tb", "lr_uncertainty", "tb_uncertainty")},
            "lr_written": written(self.lr, 100 - self.lr),
            "tb_written": written(self.tb, 100 - self.tb),
            "uncertainty_mm": round(self.uncertainty_mm, 3),
            "tilt_deg": round(self.tilt_deg, 2),
            "physical": np.round(self.physical, 3).tolist(),
            "printed": np.round(self.printed, 3).tolist(),
            "by_hand": self.by_hand,
        }


@dataclass(frozen=True)
class NoCentering:
    """Why a side has no centering, as a clause: "no border: ..."."""

    reason: str


def measure_centering(flat: Flat, edges: list[Edge]) -> Centering | NoCentering:
    """Centering of a card laid flat whose physical edges are known.

    edges  as `outline.find_edges` gives them
    """
    if flat.px_per_mm < LEAST_PX_PER_MM:
        return NoCentering(f"{flat.px_per_mm:.1f} px/mm; borders can be measured from {LEAST_PX_PER_MM:g} px/mm on")
    frames = find_frame(flat, edges)
    if isinstance(frames, NoFrame):
        return NoCentering(frames.reason)
    lines, errors = _lines_of(flat, edges, frames)
    try:
        return from_lines(*lines, error_mm=errors)
    except BadLines as nothing_between:
        return NoCentering(f"ambiguous: {nothing_between}")


def from_lines(physical: np.ndarray, printed: np.ndarray, *, error_mm: np.ndarray | None = None) -> Centering:
    """Centering from eight lines, measured or dragged by a person.

    physical  (4, 2, 2) mm: the card's top, right, bottom and left edge, two points (x, y) each, clockwise
    printed   (4, 2, 2) mm: the frame's lines in the same order
    error_mm  (4, 2) standard error of each border at both ends of its side, clockwise; None where a person laid the
              lines: 0.05 mm
    raises    BadLines where the printed lines bound no frame, or two opposing borders together are below 0.4 mm
    """
    physical, printed = np.asarray(physical, float), np.asarray(printed, float)
    widths = border_widths(physical, printed)
    errors = np.full((4, 2), BY_HAND_ERROR_MM) if error_mm is None else error_mm
    top, right, bottom, left = widths
    # Each axis at both ends of the frame; ends run clockwise, so opposing sides meet them in opposite order.
    axes = {
        "lr": ((left[1], right[0], errors[3, 1], errors[1, 0]), (left[0], right[1], errors[3, 0], errors[1, 1])),
        "tb": ((top[0], bottom[1], errors[0, 0], errors[2, 1]), (top[1], bottom[0], errors[0, 1], errors[2, 0])),
    }
    shares = {axis: max(_share(*end) for end in ends) for axis, ends in axes.items()}
    return Centering(
        left_mm=float(left.mean()),
        right_mm=float(right.mean()),
        top_mm=float(top.mean()),
        bottom_mm=float(bottom.mean()),
        lr=shares["lr"][0],
        tb=shares["tb"][0],
        lr_uncertainty=HALF_WIDTH * shares["lr"][1],
        tb_uncertainty=HALF_WIDTH * shares["tb"][1],
        uncertainty_mm=HALF_WIDTH * float(errors.max()),
        tilt_deg=_tilt_deg(physical, printed),
        physical=physical,
        printed=printed,
        by_hand=error_mm is None,
    )


def border_widths(physical: np.ndarray, printed: np.ndarray) -> np.ndarray:
    """(4, 2) mm: each side's border at the frame's two corners on it, clockwise; negative where the cut is inside."""
    directions = printed[:, 1] - printed[:, 0]
    lengths = np.linalg.norm(directions, axis=1)
    if (lengths < 1.0).any():
        raise BadLines(f"the printed {SIDES[int(lengths.argmin())]} line is a point; drag its ends apart")
    corners = crossings([(line[0], way / size) for line, way, size in zip(printed, directions, lengths, strict=True)])
    if corners is None:
        raise BadLines("two neighbouring printed lines are parallel; drag them onto the frame's four sides")
    widths = np.empty((4, 2))
    for side, (start, end) in enumerate(physical):
        along = (end - start) / max(float(np.linalg.norm(end - start)), 1e-9)
        inward = np.array([-along[1], along[0]])
        for place, corner in enumerate((corners[side], corners[(side + 1) % 4])):
            widths[side, place] = (corner - start) @ inward
    return widths


def share_of(first_mm: float, second_mm: float) -> float:
    """The first border as a share of both, 0 to 1; a border that is cut away counts as none."""
    first, second = max(first_mm, 0.0), max(second_mm, 0.0)
    return first / (first + second)


def _share(first: float, second: float, first_error: float, second_error: float) -> tuple[float, float]:
    """The larger share in percent and its standard error in points."""
    first, second = max(first, 0.0), max(second, 0.0)
    total = first + second
    if total < NARROWEST_PAIR_MM:
        raise BadLines(f"two opposing borders are {total:.2f} mm together; there is no border to measure")
    error = 100 * float(np.hypot(second * first_error, first * second_error)) / total**2
    return larger_share(first, second), error


def _tilt_deg(physical: np.ndarray, printed: np.ndarray) -> float:
    def turned(lines: np.ndarray) -> np.ndarray:
        way = lines[:, 1] - lines[:, 0]
        return np.asarray(np.degrees(np.arctan2(way[:, 1], way[:, 0])) - np.array([0, 90, 180, -90]))

    apart = (turned(printed) - turned(physical) + 180) % 360 - 180
    return float(np.median(apart))


def _lines_of(flat: Flat, edges: list[Edge], frames: list[Frame]) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Physical and printed lines between the frame's corners, and the standard error of each border at both ends."""
    middles = [np.array([edge.length_mm / 2]) for edge in edges]
    borders = [float(f.depth_at(at)[0] - e.depth_at(at)[0]) for e, f, at in zip(edges, frames, middles, strict=True)]
    physical, printed, errors = np.empty((4, 2, 2)), np.empty((4, 2, 2)), np.empty((4, 2))
    for side, (edge, frame) in enumerate(zip(edges, frames, strict=True)):
        ends = np.array([max(borders[side - 1], 0.0), edge.length_mm - max(borders[(side + 1) % 4], 0.0)])
        physical[side] = point_at(side, ends, edge.depth_at(ends), flat.size)
        printed[side] = point_at(side, ends, frame.depth_at(ends), flat.size)
        errors[side] = frame.error_at(ends, edge)
    return (physical, printed), errors
