"""Candidate scratches and creases on the surface, with location, length and likelihood; foil patterns are detected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

from engine.measure.flat_card import FlatCard
from engine.measure.surface.line_features import LineFeatures, count_parallel_lines, describe_line
from engine.measure.surface.linking import link_segments
from engine.measure.surface.ridges import find_segments

# Set by hand on simulated scans, if no source is named: see engine/measure/__init__.py.

# Resolution that the surface is searched at, and the one below which it is not measured.
SEARCH_PX_PER_MM = 12.0
MIN_PX_PER_MM = 8.0
EDGE_CLEARANCE_MM = 1.0
MIN_LENGTH_MM = 4.0
# Distance to the sides that a line is compared with.
SIDE_OFFSET_MM = 0.25
SMOOTHING_SIGMA_PX = 0.6
MIN_LIKELIHOOD = 0.45
# Lines with four parallel ones or more from which a surface is patterned.
MIN_PATTERN_LINES = 24
# Glare on a photo: level of an overexposed pixel, and the fraction of such pixels that is accepted.
GLARE_LEVEL, MAX_GLARE_FRACTION = 250, 0.12
MIN_SHARPNESS = 0.38  # see `sharpness`

# Log odds that a line is wear (above 0) or print (below 0), by feature: knots and values, linear in between.
# Fitted to 20,500 lines on 300 simulated scans by `python -m tools.fit_surface_scores`; the last knots of length_mm
# and parallel_lines were then raised and lowered by hand, being fitted to few lines.
LOG_ODDS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "length_mm": ((4.0, 5.0, 7.0, 10.0, 15.0, 25.0), (-1.1, -0.5, 0.1, 0.6, 1.1, 0.9)),
    "visible_fraction": ((0.5, 0.7, 0.8, 0.9, 1.0), (-2.7, -0.9, 0.8, 0.9, 1.9)),
    "contrast": ((-10.0, 0.0, 4.0, 8.0, 15.0, 30.0), (1.1, -1.3, -1.0, -0.1, 0.8, 0.5)),
    "relative_side_difference": ((0.0, 0.5, 1.0, 2.0, 4.0, 8.0), (0.1, 0.4, 1.1, 0.5, -0.7, -1.4)),
    "side_difference": ((0.0, 5.0, 10.0, 20.0, 40.0, 80.0), (0.5, 1.1, 0.8, 0.0, -0.2, -2.2)),
    "chroma_difference": ((-40.0, -15.0, -5.0, 0.0, 5.0, 20.0), (-1.3, 0.6, 1.8, 2.1, -1.9, -1.2)),
    "flank_darkness": ((-5.0, 0.0, 5.0, 10.0, 20.0, 40.0), (-1.8, 0.9, -0.1, 0.0, 0.4, 0.5)),
    "dark_flank_fraction": ((0.0, 0.2, 0.4, 0.7, 1.0), (-0.1, 0.0, 0.4, 0.3, -0.6)),
    "off_axis_deg": ((0.0, 0.5, 1.0, 2.0, 4.0, 10.0), (-1.9, -0.6, 0.1, 0.4, 0.9, 1.1)),
    "max_deviation_mm": ((0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6), (-0.4, -1.0, -0.4, -0.4, 0.4, 1.4, 0.3)),
    "parallel_lines": ((0.0, 1.0, 2.0, 4.0, 8.0, 16.0), (3.1, 1.5, 0.1, -1.4, -2.4, -2.4)),
}
BASE_LOG_ODDS = -7.6
# A line with at least this shaded flank, along at least this fraction of it, is a crease.
MIN_CREASE_FLANK = 7.0
MIN_CREASE_FRACTION = 0.5


@dataclass(frozen=True)
class PaleLine:
    """A pale line of 4 mm or more, wear or print: (N, 2) mm on the card, and its features."""

    points_mm: np.ndarray
    features: LineFeatures

    @property
    def at_mm(self) -> tuple[float, float]:
        """(x, y) center of its bounding box."""
        x, y = (self.points_mm.min(axis=0) + self.points_mm.max(axis=0)) / 2
        return float(x), float(y)


@dataclass(frozen=True)
class SurfaceDefect:
    """A line on the surface that is likely wear.

    points_mm   (N, 2) on the card, in order
    likelihood  probability of wear rather than print, 0.45 to 1
    """

    kind: Literal["scratch", "crease"]
    points_mm: np.ndarray
    length_mm: float
    likelihood: float

    @property
    def at_mm(self) -> tuple[float, float]:
        """(x, y) center of its bounding box."""
        x, y = (self.points_mm.min(axis=0) + self.points_mm.max(axis=0)) / 2
        return float(x), float(y)

    def as_json(self) -> dict[str, Any]:
        """Fields that `grade` prints."""
        return {
            "kind": self.kind,
            "at_mm": [round(value, 2) for value in self.at_mm],
            "points_mm": np.round(self.points_mm, 2).tolist(),
            "length_mm": round(self.length_mm, 2),
            "likelihood": round(self.likelihood, 3),
        }


@dataclass(frozen=True)
class Surface:
    """Scratches and creases of a side.

    lines      every pale line of 4 mm or more, wear or print
    defects    the lines that are likely wear, the likeliest first
    patterned  the surface has a dense pattern of lines, as holographic foil does; lines within it are not counted
    """

    defects: tuple[SurfaceDefect, ...]
    patterned: bool
    lines: tuple[PaleLine, ...] = ()


@dataclass(frozen=True)
class NoSurface:
    """Reason why the surface was not measured, as a clause."""

    reason: str


def measure_surface(card: FlatCard, *, print_tilt_deg: float = 0.0) -> Surface | NoSurface:
    """Find scratches and creases at 8 px/mm or more; abstain if light, focus or resolution hide them.

    print_tilt_deg  of the print on the card, clockwise: lines along its axes are more likely print
    """
    reason = refusal_reason(card)
    if reason:
        return NoSurface(reason)
    lines = find_pale_lines(card, print_tilt_deg=print_tilt_deg)
    likelihoods = [(line, wear_likelihood(line.features)) for line in lines]
    defects = [_defect(line, likelihood) for line, likelihood in likelihoods if likelihood >= MIN_LIKELIHOOD]
    defects.sort(key=lambda defect: -defect.likelihood)
    pattern_lines = sum(line.features.parallel_lines >= 4 for line in lines)
    return Surface(tuple(defects), patterned=pattern_lines >= MIN_PATTERN_LINES, lines=tuple(lines))


def find_pale_lines(card: FlatCard, *, print_tilt_deg: float) -> list[PaleLine]:
    """Find every pale line on a card."""
    rgb, density = _at_search_resolution(card)
    smooth = cv2.GaussianBlur(rgb, (0, 0), SMOOTHING_SIGMA_PX)
    inside = np.zeros(rgb.shape[:2], bool)
    left, top = np.ceil((card.margin_mm + EDGE_CLEARANCE_MM) * density).astype(int)
    inside[top:-top, left:-left] = True
    # Wear removes color, so its contrast is highest in the darkest channel.
    darkest = _darkest_channel(smooth).astype(np.float32)
    segments = find_segments(darkest, inside, offset_px=round(SIDE_OFFSET_MM * density), px_per_mm=density)
    lines = [line for line in link_segments(segments, density) if line.length >= MIN_LENGTH_MM * density]
    counts = count_parallel_lines([line.points for line in lines], density)
    features = [
        describe_line(
            smooth, line.points, line.visible_fraction, density, print_tilt_deg=print_tilt_deg, parallel_lines=count
        )
        for line, count in zip(lines, counts, strict=True)
    ]
    points = [(line.points + 0.5) / density - card.margin_mm for line in lines]
    return [PaleLine(points_mm, described) for points_mm, described in zip(points, features, strict=True)]


def wear_likelihood(features: LineFeatures) -> float:
    """Probability that a line is wear, 0 to 1."""
    values = scored_features(features)
    odds = BASE_LOG_ODDS + sum(
        float(np.interp(values[name], knots, points)) for name, (knots, points) in LOG_ODDS.items()
    )
    return float(1 / (1 + np.exp(-odds)))


def scored_features(features: LineFeatures) -> dict[str, float]:
    """Values of a line's features by the names in LOG_ODDS."""
    values = {name: getattr(features, name) for name in LOG_ODDS if name != "relative_side_difference"}
    return {**values, "relative_side_difference": features.side_difference / (max(features.contrast, 0.0) + 4.0)}


def refusal_reason(card: FlatCard) -> str:
    """Reason why scratches would not be visible in a picture; empty if they would."""
    if card.px_per_mm < MIN_PX_PER_MM:
        return "the picture is too small to show scratches; scan at 300 dpi or photograph from closer"
    if card.kind != "scan":
        glare = float((_darkest_channel(card.rgb) >= GLARE_LEVEL).mean())
        if glare > MAX_GLARE_FRACTION:
            return f"glare hides {glare:.0%} of the card"
    if sharpness(_at_search_resolution(card)[0]) < MIN_SHARPNESS:
        return "the picture is too blurred to show scratches; focus and hold the camera still"
    return ""


def sharpness(rgb: np.ndarray) -> float:
    """Sharpness of the strongest edges: largest change between two pixels over the change across three steps.

    1 is sharp, 1/3 is soft. An edge blurred by a Gaussian of deviation 1, 1.5 or 2 pixels gives 0.44, 0.38 or 0.36.
    """
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    ratios = []
    for picture in (gray, cv2.transpose(gray)):
        change = cv2.absdiff(picture[:, 1:], picture[:, :-1])
        largest = cv2.max(cv2.max(change[:, :-2], change[:, 1:-1]), change[:, 2:])
        whole = cv2.absdiff(picture[:, 3:], picture[:, :-3])
        strong = whole >= _percentile(whole, 99)
        ratios.append(float(np.median(largest[strong] / np.maximum(whole[strong], 1, dtype=np.float32))))
    return min(ratios)


def _percentile(levels: np.ndarray, percent: float) -> float:
    """Percentile of a uint8 picture, equal to NumPy's, which sorts the pixels instead of counting them."""
    below = np.cumsum(cv2.calcHist([levels], [0], None, [256], [0, 256]))  # float32 holds each count exactly
    position = (levels.size - 1) * percent / 100
    low, high = np.searchsorted(below, (np.floor(position), np.ceil(position)), side="right")
    return float(low + (high - low) * (position - np.floor(position)))


def _darkest_channel(rgb: np.ndarray) -> np.ndarray:
    """(H, W, 3) -> (H, W) minimum of the three channels.

    NumPy's minimum over such a short axis is ten times as slow.
    """
    red, green, blue = cv2.split(rgb)
    return cv2.min(cv2.min(red, green), blue)


def _at_search_resolution(card: FlatCard) -> tuple[np.ndarray, float]:
    """The card's raster reduced to 12 px/mm, unless it is coarser, and its resolution."""
    if card.px_per_mm <= SEARCH_PX_PER_MM * 1.1:
        return card.rgb, card.px_per_mm
    scale = SEARCH_PX_PER_MM / card.px_per_mm
    height, width = card.rgb.shape[:2]
    size = (round(width * scale), round(height * scale))
    return cv2.resize(card.rgb, size, interpolation=cv2.INTER_AREA), SEARCH_PX_PER_MM


def _defect(line: PaleLine, likelihood: float) -> SurfaceDefect:
    kind: Literal["scratch", "crease"] = "crease" if is_crease(line.features) else "scratch"
    return SurfaceDefect(kind, line.points_mm, line.features.length_mm, likelihood)


def is_crease(features: LineFeatures) -> bool:
    """True for a line with the shaded flank of a fold along half of it; else it is a scratch."""
    return features.flank_darkness >= MIN_CREASE_FLANK and features.dark_flank_fraction >= MIN_CREASE_FRACTION
