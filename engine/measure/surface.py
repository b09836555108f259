"""The surface: candidate scratches and creases, each with its place, length and how likely it is; foil told apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

from engine.measure.chains import Chain, chained
from engine.measure.flat import Flat
from engine.measure.ridges import pale_lines
from engine.measure.traces import Trace, companions_of, trace_of

SEARCHED_PX_PER_MM = 12.0
LEAST_PX_PER_MM = 8.0
CLEAR_OF_EDGE_MM = 1.0
SHORTEST_MM = 4.0
ASIDE_MM = 0.25
SOFTEN_PX = 0.6
LIKELY = 0.5
FOIL_LINES = 60
BURNT, MOST_BURNT = 250, 0.12
LEAST_DETAIL = 0.30

# How much each thing that a line shows speaks for wear (above 0) or for print (below), in log odds between the knots.
# Fitted to 20,500 lines on 300 simulated scans: `python -m benchmarks.fit_surface`.
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
    likelihood  0.5 to 1, that it is wear and no print
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
    rgb, density = _searched(flat)
    soft = cv2.GaussianBlur(rgb, (0, 0), SOFTEN_PX)
    inside = np.zeros(rgb.shape[:2], bool)
    left, top = np.ceil((flat.margin_mm + CLEAR_OF_EDGE_MM) * density).astype(int)
    inside[top:-top, left:-left] = True
    # Wear takes colour away, so it shows most in the darkest of the three.
    darkest = soft.min(axis=2).astype(np.float32)
    pieces = pale_lines(darkest, inside, aside_px=round(ASIDE_MM * density), px_per_mm=density)
    chains = [chain for chain in chained(pieces, density) if chain.length >= SHORTEST_MM * density]
    companions = companions_of([chain.points for chain in chains], density)
    finds = []
    for chain, beside in zip(chains, companions, strict=True):
        trace = trace_of(soft, chain.points, chain.covered, density, print_tilt_deg=print_tilt_deg, companions=beside)
        likelihood = likelihood_of(trace)
        if likelihood >= LIKELY:
            finds.append(_find(chain, trace, likelihood, flat, density))
    finds.sort(key=lambda find: -find.likelihood)
    return Surface(tuple(finds), patterned=sum(count >= 4 for count in companions) >= FOIL_LINES)


def likelihood_of(trace: Trace) -> float:
    """How likely a line is wear, 0 to 1."""
    shown = {name: getattr(trace, name) for name in SCORES if name != "unlike"}
    shown["unlike"] = trace.sides_apart / (max(trace.step, 0.0) + 4.0)
    odds = BASE + sum(float(np.interp(shown[name], knots, points)) for name, (knots, points) in SCORES.items())
    return float(1 / (1 + np.exp(-odds)))


def unfit(flat: Flat) -> str:
    """Why a picture shows no scratches even where there are some; empty where it may."""
    if flat.px_per_mm < LEAST_PX_PER_MM:
        return f"{flat.px_per_mm:.1f} px/mm; scratches show from {LEAST_PX_PER_MM:g} px/mm on (about 200 dpi)"
    if flat.kind != "scan":
        burnt = float((flat.rgb.min(axis=2) >= BURNT).mean())
        if burnt > MOST_BURNT:
            return f"glare hides {burnt:.0%} of the card"
    detail = detail_of(flat.rgb)
    if detail < LEAST_DETAIL:
        return "the picture is too soft to show scratches; focus and hold still"
    return ""


def detail_of(rgb: np.ndarray) -> float:
    """How much of the change over two pixels already happens over one, where it changes most: 0.5 sharp, 0.25 soft."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    shares = []
    for picture in (grey, grey.T):
        near = np.abs(picture[:, 2:-1] - picture[:, 1:-2])
        wide = np.abs(picture[:, 3:] - picture[:, :-3])
        strong = wide >= np.percentile(wide, 99)
        shares.append(float(np.median(near[strong] / np.maximum(wide[strong], 1))))
    return min(shares)


def _searched(flat: Flat) -> tuple[np.ndarray, float]:
    """The picture at 12 px/mm or its own, whichever is coarser, and its density."""
    if flat.px_per_mm <= SEARCHED_PX_PER_MM * 1.1:
        return flat.rgb, flat.px_per_mm
    shrink = SEARCHED_PX_PER_MM / flat.px_per_mm
    height, width = flat.rgb.shape[:2]
    size = (round(width * shrink), round(height * shrink))
    return cv2.resize(flat.rgb, size, interpolation=cv2.INTER_AREA), SEARCHED_PX_PER_MM


def _find(chain: Chain, trace: Trace, likelihood: float, flat: Flat, density: float) -> Find:
    folded = trace.flank >= CREASE_FLANK and trace.dark_share >= CREASE_SHARE
    points = (chain.points + 0.5) / density - flat.margin_mm
    return Find("crease" if folded else "scratch", points, trace.length_mm, likelihood)
