"""The printed frame: the four lines, one a side, that agree with each other; or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from engine.measure.card_edges import Edge
from engine.measure.centering.lines import LEAST_CHANGE, Frame, SideLook
from engine.measure.flat_card import SIDES, Flat

MOST_CHOICES = 6
LEAST_GAP_MM, MOST_GAP_MM = 0.3, 3.0
LIKE_GAP_MM = 0.15
UNLIKE = 0.5
# What being unlike costs a choice of four lines; passing over one clear line further out costs 1.
LIKE_LEAN_DEG = 0.15
CHANGE_COUNTS = 2.0
BORDER_COUNTS = 2.0
BORDER_APART = 12.0
LIGHTNESS_COUNTS = 1 / 3
# Beyond these, four lines are no one frame.
MOST_LEAN_APART_DEG = 0.6
MOST_BORDER_APART = 16.0


@dataclass(frozen=True)
class NoFrame:
    """Why no frame was found."""

    reason: str


def find_frame(flat: Flat, edges: list[Edge]) -> list[Frame] | NoFrame:
    """The printed frame's four sides: on each the outermost line that all four can share."""
    looks = [SideLook(flat, edge) for edge in edges]
    sides = [look.frames() for look in looks]
    missing = [SIDES[side] for side, found in enumerate(sides) if not found]
    if len(missing) >= 2:
        return NoFrame(f"no border: the print has no frame line along {' and '.join(missing)}")
    if missing:
        return NoFrame(f"no frame line was seen along the {missing[0]} side")
    four = _first_of_two(looks, _most_alike(sides), sides)
    doubt = _doubt(four)
    return NoFrame(doubt) if doubt else _with_outline(looks, four)


def _most_alike(sides: list[list[Frame]]) -> list[Frame]:
    """One line of each side: as far out, and as alike, as can be."""
    choices = product(*(range(min(len(found), MOST_CHOICES)) for found in sides))
    fours = [(sum(places), [found[place] for found, place in zip(sides, places, strict=True)]) for places in choices]
    return min(fours, key=lambda choice: choice[0] + _disagreement(choice[1]))[1]


def _first_of_two(looks: list[SideLook], four: list[Frame], sides: list[list[Frame]]) -> list[Frame]:
    """The four, each line that is unlike the others and may be the second of two moved onto a faint first one."""
    moved = list(four)
    for side in np.nonzero(changes_unlike(four) > UNLIKE)[0]:
        fainter = (looks[side].fainter_by(moved[side], gap) for gap in _gaps_of_others(moved, sides, int(side)))
        moved[side] = next((frame for frame in fainter if frame is not None), moved[side])
    return moved


def _with_outline(looks: list[SideLook], four: list[Frame]) -> list[Frame]:
    """The four moved out to where the print begins: lines too faint to be seen band by band, thin outlines."""
    usual = np.median([frame.inside - frame.outside for frame in four], axis=0)
    outer = [look.fainter_outside(frame, usual) for look, frame in zip(looks, four, strict=True)]
    begins = np.array([look.outline_begins(frame) for look, frame in zip(looks, outer, strict=True)])
    if (begins < 0).sum() < 3:
        return outer
    # All four sides are printed alike: where three show a thin outline, the fourth has it too.
    begins = np.where(begins < 0, begins, np.median(begins[begins < 0]))
    return [frame.moved(float(begin)) for frame, begin in zip(outer, begins, strict=True)]


def _gaps_of_others(four: list[Frame], sides: list[list[Frame]], side: int) -> list[float]:
    """By how much a side's line may be the second of two that other sides show, the largest first.

    A print's frame is often two lines. Where two others have a second line at some distance and this side has none at
    that distance, its own may be the second, and the first too faint to have been seen.
    """
    gaps = [
        [line.middle_mm - chosen.middle_mm for line in found if line.middle_mm > chosen.middle_mm + LEAST_GAP_MM]
        for chosen, found in zip(four, sides, strict=True)
    ]

    def has(other: int, gap: float) -> bool:
        return any(abs(gap - own) <= LIKE_GAP_MM for own in gaps[other])

    others = [other for other in range(4) if other != side]
    shown = {gap for other in others for gap in gaps[other] if gap < MOST_GAP_MM and not has(side, gap)}
    return sorted((gap for gap in shown if sum(has(other, gap) for other in others) >= 2), reverse=True)


def _doubt(four: list[Frame]) -> str:
    """Why these four lines are no one frame; empty where they may be."""
    leans = np.array([frame.slope_deg for frame in four])
    apart = np.abs(leans - np.median(leans))
    if apart.max() > MOST_LEAN_APART_DEG:
        side = SIDES[int(apart.argmax())]
        return f"ambiguous: the line along the {side} side leans {apart.max():.1f} degrees away from the other three"
    border = borders_apart(four)
    if border.max() > MOST_BORDER_APART:
        side = SIDES[int(border.argmax())]
        return f"ambiguous: along the {side} side the border's colour is not that of the other three"
    return ""


def _disagreement(four: list[Frame]) -> float:
    """How unlike the sides are in lean and colours, in units of what one clear line passed over is worth."""
    leans = np.array([frame.slope_deg for frame in four])
    lean = np.maximum(np.abs(leans - np.median(leans)) - LIKE_LEAN_DEG, 0.0).sum() / LIKE_LEAN_DEG
    unlike = changes_unlike(four)
    border = borders_apart(four) / BORDER_APART
    return float(lean + CHANGE_COUNTS * np.minimum(unlike, 1.0).sum() + BORDER_COUNTS * np.minimum(border, 1.5).sum())


def changes_unlike(four: list[Frame]) -> np.ndarray:
    """(4,) how far each side's change of colour lies from the usual one, as a share of that."""
    changes = np.stack([frame.inside - frame.outside for frame in four])
    usual = np.median(changes, axis=0)
    return np.asarray(np.linalg.norm(changes - usual, axis=1) / max(float(np.linalg.norm(usual)), LEAST_CHANGE))


def borders_apart(four: list[Frame]) -> np.ndarray:
    """(4,) Lab: how far the colour outside of each side's line lies from what it is on the others.

    Lightness counts for a third: glare and shadow lie on one side, another colour is another thing.
    """
    colours = np.stack([frame.outside for frame in four]) * (LIGHTNESS_COUNTS, 1, 1)
    return np.asarray(np.linalg.norm(colours - np.median(colours, axis=0), axis=1))
