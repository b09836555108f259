"""The surface: candidate scratches and creases, each with its place, length and how likely it is; foil told apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

from engine.measure.flat_card import Flat
from engine.measure.surface.line_features import Trace, companions_of, trace_of
from engine.measure.surface.linking import chained
from engine.measure.surface.ridges import pale_lines

SEARCHED_PX_PER_MM = 12.0
LEAST_PX_PER_MM = 8.0
CLEAR_OF_EDGE_MM = 1.0
SHORTEST_MM = 4.0
ASIDE_MM = 0.25
SOFTEN_PX = 0.6
LIKELY = 0.45
FOIL_LINES = 24
BURNT, MOST_BURNT = 250, 0.12
LEAST_DETAIL = 0.38

# How much each thing that a line shows speaks for wear (above 0) or for print (below), in log odds between the knots.
# Fitted to 20,500 lines on 300 simulated scans, as `python -m tools.fit_surface_scores` does; the last knots of length
# and companions were then raised and lowered by hand, being fitted to few lines.
SCORES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "length_mm": ((4.0, 5.0, 7.0, 10.0, 15.0, 25.0), (-1.1, -0.5, 0.1, 0.6, 1.1, 0.9)),
    "covered": ((0.5, 0.7, 0.8, 0.9, 1.0), (-2.7, -0.9, 0.8, 0.9, 1.9)),
    "step": ((-10.0, 0.0, 4.0, 8.0, 15.0, 30.0), (1.1, -1.3, -1.0, -0.1, 0.8, 0.5)),
    "unlike": ((0.0, 0.5, 1.0, 2.0, 4.0, 8.0), (0.1, 0.4, 1.1, 0.5, -0.7, -1.4)),
    "sides_apart": ((0.0, 5.0, 10.0, 20.0, 40.0, 80.0), (0.5, 1.1, 0.8, 0.0, -0.2, -2.2)),
    "pale": ((-40.0, -15.0, -5.0, 0.0, 5.0, 20.0), (-1.3, 0.6, 1.8, 2.1, -1.9, -1.2)),
    "flank": ((-5.0, 0.0, 5.0, 10.0, 20.0, 40.0), (-1.8, 0.9, -0.1, 0.0, 0.4, 0.5)),
    "dark_share": ((0.0, 0.2, 0.4, 0.7, 1.0), (-0.1, 0.0, 0.4, 0.3, -0.6)),
    "off_axis_deg": ((0.0, 0.5, 1.0, 2.0, 4.0, 10.0), (-1.9, -0.6, 0.1, 0.4, 0.9, 1.1)),
    "straightness": ((0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6), (-0.4, -1.0, -0.4, -0.4, 0.4, 1.4, 0.3)),
    "companions": ((0.0, 1.0, 2.0, 4.0, 8.0, 16.0), (3.1, 1.5, 0.1, -1.4, -2.4, -2.4)),
}
BASE = -7.6
CREASE_FLANK = 7.0
CREASE_SHARE = 0.5


@dataclass(frozen=True)
class Find:
    """A line on the surface that is likely wear.

    points_mm   (N, 2) on the card, in order
    likelihood  0.45 to 1, that it is wear and no print
    """

    kind: Literal["scratch", "crease"]
    points_mm: np.ndarray
    length_mm: float
    likelihood: float

    @property
    def at_mm(self) -> tuple[float, float]:
        """The middle of its bounds."""
        x, y = (self.points_mm.min(axis=0) + self.points_mm.max(axis=0)) / 2
        return float(x), float(y)

    def as_json(self) -> dict[str, Any]:
        """As `grade` reports it."""
        return {
            "kind": self.kind,
            "at_mm": [round(value, 2) for value in self.at_mm],
            "points_mm": np.round(self.points_mm, 2).tolist(),
            "length_mm": round(self.length_mm, 2),
            "likelihood": round(self.likelihood, 3),
        }


@dataclass(frozen=True)
class Surface:
    """What a surface shows.

    finds         the likeliest first
    patterned     there is a dense pattern of lines, as holographic foil has it: lines within it were not counted
    """

    finds: tuple[Find, ...]
    patterned: bool


@dataclass(frozen=True)
class NoSurface:
    """Why the surface was not looked at, one clause."""

    reason: str


def measure_surface(flat: Flat, *, print_tilt_deg: float = 0.0) -> Surface | NoSurface:
    """Look for scratches and creases at 8 px/mm or more; abstains where light, focus or resolution hide them.

    print_tilt_deg  of the print on the card, clockwise: what runs along it is print
    """
    reason = unfit(flat)
    if reason:
        return NoSurface(reason)
    lines = traced_lines(flat, print_tilt_deg=print_tilt_deg)
    likely = [(line, likelihood_of(line.trace)) for line in lines]
    finds = [_find(line, likelihood) for line, likelihood in likely if likelihood >= LIKELY]
    finds.sort(key=lambda find: -find.likelihood)
    return Surface(tuple(finds), patterned=sum(line.trace.companions >= 4 for line in lines) >= FOIL_LINES)


@dataclass(frozen=True)
class TracedLine:
    """A pale line of 4 mm or more, wear or print: (N, 2) mm on the card, and what it looks like."""

    points_mm: np.ndarray
    trace: Trace


def traced_lines(flat: Flat, *, print_tilt_deg: float) -> list[TracedLine]:
    """Every pale line on a card."""
    rgb, density = _searched(flat)
    soft = cv2.GaussianBlur(rgb, (0, 0), SOFTEN_PX)
    inside = np.zeros(rgb.shape[:2], bool)
    left, top = np.ceil((flat.margin_mm + CLEAR_OF_EDGE_MM) * density).astype(int)
    inside[top:-top, left:-left] = True
    # Wear takes colour away, so it shows most in the darkest of the three.
    darkest = _darkest(soft).astype(np.float32)
    pieces = pale_lines(darkest, inside, aside_px=round(ASIDE_MM * density), px_per_mm=density)
    chains = [chain for chain in chained(pieces, density) if chain.length >= SHORTEST_MM * density]
    beside = companions_of([chain.points for chain in chains], density)
    traces = [
        trace_of(soft, chain.points, chain.covered, density, print_tilt_deg=print_tilt_deg, companions=companions)
        for chain, companions in zip(chains, beside, strict=True)
    ]
    points = [(chain.points + 0.5) / density - flat.margin_mm for chain in chains]
    return [TracedLine(line, trace) for line, trace in zip(points, traces, strict=True)]


def likelihood_of(trace: Trace) -> float:
    """How likely a line is wear, 0 to 1."""
    shown = shown_by(trace)
    odds = BASE + sum(float(np.interp(shown[name], knots, points)) for name, (knots, points) in SCORES.items())
    return float(1 / (1 + np.exp(-odds)))


def shown_by(trace: Trace) -> dict[str, float]:
    """What is scored of a line, by the names of SCORES."""
    shown = {name: getattr(trace, name) for name in SCORES if name != "unlike"}
    return {**shown, "unlike": trace.sides_apart / (max(trace.step, 0.0) + 4.0)}


def unfit(flat: Flat) -> str:
    """Why a picture shows no scratches even where there are some; empty where it may."""
    if flat.px_per_mm < LEAST_PX_PER_MM:
        return f"{flat.px_per_mm:.1f} px/mm; scratches show from {LEAST_PX_PER_MM:g} px/mm on (about 200 dpi)"
    if flat.kind != "scan":
        burnt = float((_darkest(flat.rgb) >= BURNT).mean())
        if burnt > MOST_BURNT:
            return f"glare hides {burnt:.0%} of the card"
    if detail_of(_searched(flat)[0]) < LEAST_DETAIL:
        return "the picture is too soft to show scratches; focus and hold still"
    return ""


def detail_of(rgb: np.ndarray) -> float:
    """How much of the change over three pixels falls between two of them, where it changes most: 1 sharp, 1/3 soft.

    An edge blurred by a bell of deviation 1, 1.5 or 2 pixels gives 0.44, 0.38 or 0.36.
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    shares = []
    for picture in (grey, grey.T):
        change = np.abs(np.diff(picture, axis=1))
        most = np.maximum(np.maximum(change[:, :-2], change[:, 1:-1]), change[:, 2:])
        whole = np.abs(picture[:, 3:] - picture[:, :-3])
        strong = whole >= np.percentile(whole, 99)
        shares.append(float(np.median(most[strong] / np.maximum(whole[strong], 1))))
    return min(shares)


def _darkest(rgb: np.ndarray) -> np.ndarray:
    """(H, W, 3) -> (H, W) the least of the three colours.

    NumPy's minimum over so short an axis takes ten times as long.
    """
    red, green, blue = cv2.split(rgb)
    return cv2.min(cv2.min(red, green), blue)


def _searched(flat: Flat) -> tuple[np.ndarray, float]:
    """The picture at 12 px/mm or its own, whichever is coarser, and its density."""
    if flat.px_per_mm <= SEARCHED_PX_PER_MM * 1.1:
        return flat.rgb, flat.px_per_mm
    shrink = SEARCHED_PX_PER_MM / flat.px_per_mm
    height, width = flat.rgb.shape[:2]
    size = (round(width * shrink), round(height * shrink))
    return cv2.resize(flat.rgb, size, interpolation=cv2.INTER_AREA), SEARCHED_PX_PER_MM


def _find(line: TracedLine, likelihood: float) -> Find:
    folded = line.trace.flank >= CREASE_FLANK and line.trace.dark_share >= CREASE_SHARE
    return Find("crease" if folded else "scratch", line.points_mm, line.trace.length_mm, likelihood)
