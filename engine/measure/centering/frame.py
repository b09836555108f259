"""The printed frame: one line on each side, the four being consistent with each other; or the reason why none is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from engine.measure.card_edges import CardEdge
from engine.measure.centering.lines import MIN_COLOR_STEP, FrameLine, SideLineFinder
from engine.measure.flat_card import SIDES, FlatCard

# Set by hand on simulated scans, if no source is named: see engine/measure/__init__.py.

# Lines of a side, from the outermost, that are tried in combination with those of the others.
MAX_CANDIDATES = 6
# A second frame line: its distance inside the first, and the tolerance when two sides show the same distance.
MIN_GAP_MM, MAX_GAP_MM = 0.3, 3.0
SAME_GAP_MM = 0.15
# Relative difference of a side's color step from the median from which it may be the second line of a double frame.
UNLIKE_STEP = 0.5
# Cost of a combination of four lines; skipping one clear line further out costs 1.
FREE_TILT_DEG = 0.15
STEP_WEIGHT = 2.0
BORDER_WEIGHT = 2.0
BORDER_SCALE = 12.0  # Lab
LIGHTNESS_WEIGHT = 1 / 3
# Limits beyond which four lines are not one frame.
MAX_TILT_DIFFERENCE_DEG = 0.6
MAX_BORDER_DIFFERENCE = 16.0  # Lab


@dataclass(frozen=True)
class NoFrame:
    """Reason why no frame was found."""

    reason: str


def find_frame(card: FlatCard, edges: list[CardEdge]) -> list[FrameLine] | NoFrame:
    """Find the printed frame: on each side the outermost line that is consistent with the other three."""
    finders = [SideLineFinder(card, edge) for edge in edges]
    sides = [finder.frame_lines() for finder in finders]
    missing = [SIDES[side] for side, lines in enumerate(sides) if not lines]
    if missing:
        sides_text = "any side" if len(missing) == len(SIDES) else f"the {' and '.join(missing)}"
        return NoFrame(f"no printed frame found at {sides_text}")
    frame = _move_to_first_of_two(finders, _best_combination(sides), sides)
    inconsistency = _inconsistency(frame)
    return NoFrame(inconsistency) if inconsistency else _move_to_print_start(finders, frame)


def _best_combination(sides: list[list[FrameLine]]) -> list[FrameLine]:
    """One line of each side: the combination with the lowest cost for skipped lines and disagreement."""
    tried = [lines[:MAX_CANDIDATES] for lines in sides]
    chosen = np.array(list(product(*(range(len(lines)) for lines in tried))))
    values = [_values(lines) for lines in tried]
    combined = [np.stack([of_side[i][chosen[:, k]] for k, of_side in enumerate(values)], axis=1) for i in range(3)]
    cost = chosen.sum(axis=1) + _disagreement(*combined)
    return [lines[index] for lines, index in zip(tried, chosen[cost.argmin()], strict=True)]


def _move_to_first_of_two(
    finders: list[SideLineFinder], frame: list[FrameLine], sides: list[list[FrameLine]]
) -> list[FrameLine]:
    """Move each line with an unlike color step that may be the second of a double frame out to a faint first one."""
    moved = list(frame)
    _, outside, inside = _values(frame)
    for side in np.nonzero(step_differences(outside, inside) > UNLIKE_STEP)[0]:
        faint = (
            finders[side].faint_line_at_gap(moved[side], gap) for gap in _double_frame_gaps(moved, sides, int(side))
        )
        moved[side] = next((line for line in faint if line is not None), moved[side])
    return moved


def _move_to_print_start(finders: list[SideLineFinder], frame: list[FrameLine]) -> list[FrameLine]:
    """Move lines out to the start of the print: lines too faint to see in single bands, and thin outlines."""
    median_step = np.median([line.inside - line.outside for line in frame], axis=0)
    outer = [finder.faint_line_outside(line, median_step) for finder, line in zip(finders, frame, strict=True)]
    starts = np.array([finder.outline_start(line) for finder, line in zip(finders, outer, strict=True)])
    if (starts < 0).sum() < 3:
        return outer
    # All four sides are printed alike: if three have a thin outline, so does the fourth.
    starts = np.where(starts < 0, starts, np.median(starts[starts < 0]))
    return [line.shifted(float(start)) for line, start in zip(outer, starts, strict=True)]


def _double_frame_gaps(frame: list[FrameLine], sides: list[list[FrameLine]], side: int) -> list[float]:
    """Distances by which a side's line may be the second of a double frame, the largest first.

    A printed frame is often a double line. If two other sides have a second line at some distance and this side has
    none at that distance, its line may be the second, and the first too faint to be detected.
    """
    gaps = [
        [
            line.middle_depth_mm - chosen.middle_depth_mm
            for line in lines
            if line.middle_depth_mm > chosen.middle_depth_mm + MIN_GAP_MM
        ]
        for chosen, lines in zip(frame, sides, strict=True)
    ]

    def has_gap(index: int, gap: float) -> bool:
        return any(abs(gap - side_gap) <= SAME_GAP_MM for side_gap in gaps[index])

    other_sides = [index for index in range(4) if index != side]
    candidates = {gap for index in other_sides for gap in gaps[index] if gap < MAX_GAP_MM and not has_gap(side, gap)}
    return sorted((gap for gap in candidates if sum(has_gap(index, gap) for index in other_sides) >= 2), reverse=True)


def _inconsistency(frame: list[FrameLine]) -> str:
    """Reason why four lines are not one frame; empty if they may be."""
    tilts, outside, _ = _values(frame)
    difference = np.abs(tilts - np.median(tilts))
    if difference.max() > MAX_TILT_DIFFERENCE_DEG:
        side = SIDES[int(difference.argmax())]
        return f"the {side} line of the frame is tilted by {difference.max():.1f}° against the other three"
    border = border_color_differences(outside)
    if border.max() > MAX_BORDER_DIFFERENCE:
        side = SIDES[int(border.argmax())]
        return f"the {side} border has another color than the other three"
    return ""


def _values(lines: list[FrameLine]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n,) tilts of lines in degrees, (n, 3) colors in Lab outside of them, and inside."""
    return (
        np.array([line.slope_deg for line in lines]),
        np.stack([line.outside for line in lines]),
        np.stack([line.inside for line in lines]),
    )


def _disagreement(tilts: np.ndarray, outside: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """(n,) cost of differences in tilt and color between four lines; 1 is the cost of skipping one clear line.

    tilts            (n, 4) degrees
    outside, inside  (n, 4, 3) Lab
    """
    from_median = np.abs(tilts - np.median(tilts, axis=1, keepdims=True))
    tilt = np.maximum(from_median - FREE_TILT_DEG, 0.0).sum(axis=1) / FREE_TILT_DEG
    step = np.minimum(step_differences(outside, inside), 1.0).sum(axis=1)
    border = np.minimum(border_color_differences(outside) / BORDER_SCALE, 1.5).sum(axis=1)
    return np.asarray(tilt + STEP_WEIGHT * step + BORDER_WEIGHT * border)


def step_differences(outside: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """(..., 4) distance of each side's color step from the median step, relative to its size.

    outside, inside  (..., 4, 3) Lab, the colors on both sides of four lines
    """
    steps = inside - outside
    median = np.median(steps, axis=-2, keepdims=True)
    size = np.maximum(np.linalg.norm(median, axis=-1), MIN_COLOR_STEP)
    return np.asarray(np.linalg.norm(steps - median, axis=-1) / size)


def border_color_differences(outside: np.ndarray) -> np.ndarray:
    """(..., 4) distance in Lab of the color outside each of four lines, (..., 4, 3), from the median of all four.

    Lightness counts a third: glare and shadow may affect one side only, whereas another hue is another border.
    """
    colors = outside * (LIGHTNESS_WEIGHT, 1, 1)
    return np.asarray(np.linalg.norm(colors - np.median(colors, axis=-2, keepdims=True), axis=-1))
