"""What a line on the surface looks like from close by: on it, beside it, further out. What parts wear from print."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

BESIDE_MM = 0.3
FURTHER_MM = 0.9
SMOOTH_POINTS = 9
DARK_FLANK = 6.0


@dataclass(frozen=True)
class Trace:
    """A line and the picture around it; levels are 0 to 255, medians along the line.

    length_mm     from end to end
    covered       share of it that stands out
    step          how far it is paler than both sides, in the darkest of the three colours
    sides_apart   how far the colours of its two sides lie apart, close by or further out, whichever is less
    pale          how far its own colour is from grey, less how far its sides' are: wear takes colour away
    flank         how much darker it is on one side close by than further out: the shaded flank of a fold
    dark_share    share of the line with such a flank
    off_axis_deg  angle to the nearer axis of the print
    straightness  largest distance from the straight line between its ends, mm
    companions    how many other lines run beside it within 4 mm and within 6 degrees
    """

    length_mm: float
    covered: float
    step: float
    sides_apart: float
    pale: float
    flank: float
    dark_share: float
    off_axis_deg: float
    straightness: float
    companions: float


def sampled(rgb: np.ndarray, points: np.ndarray, px_per_mm: float) -> dict[float, np.ndarray]:
    """Colours along a polyline, a sample a pixel: (n, 3) on it (0), and beside it at plus and minus each distance.

    rgb     (H, W, 3) uint8
    points  (N, 2) pixels
    """
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    kept = np.concatenate([[True], steps > 1e-6])
    points = points[kept]
    places = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    at = np.arange(0, places[-1] + 1e-6, 1.0)
    line = np.column_stack([np.interp(at, places, points[:, axis]) for axis in (0, 1)])
    way = np.gradient(line, axis=0)
    way = cv2.blur(way, (1, SMOOTH_POINTS), borderType=cv2.BORDER_REPLICATE)
    way = way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
    across = np.column_stack([-way[:, 1], way[:, 0]])
    colours = {}
    for distance in (0.0, BESIDE_MM, -BESIDE_MM, FURTHER_MM, -FURTHER_MM):
        place = (line + across * distance * px_per_mm).astype(np.float32)
        seen = cv2.remap(
            rgb, place[:, None, :1], place[:, None, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )[:, 0].astype(np.float32)
        colours[distance] = cv2.blur(seen, (1, SMOOTH_POINTS), borderType=cv2.BORDER_REPLICATE)
    return colours


def trace_of(
    rgb: np.ndarray, points: np.ndarray, covered: float, px_per_mm: float, *, print_tilt_deg: float, companions: int
) -> Trace:
    """Describe a line.

    rgb             (H, W, 3) uint8, lightly smoothed
    points          (N, 2) pixels of the line, in order
    print_tilt_deg  of the print on the picture, clockwise
    """
    colours = sampled(rgb, points, px_per_mm)
    on, left, right = colours[0.0], colours[BESIDE_MM], colours[-BESIDE_MM]
    far_left, far_right = colours[FURTHER_MM], colours[-FURTHER_MM]
    darkest = {place: seen.min(axis=1) for place, seen in colours.items()}
    step = darkest[0.0] - np.maximum(darkest[BESIDE_MM], darkest[-BESIDE_MM])
    flank = np.maximum(darkest[FURTHER_MM] - darkest[BESIDE_MM], darkest[-FURTHER_MM] - darkest[-BESIDE_MM])
    chord = points[-1] - points[0]
    length = float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())
    off = np.abs((points - points[0]) @ np.array([-chord[1], chord[0]])) / max(float(np.linalg.norm(chord)), 1e-9)
    angle = np.degrees(np.arctan2(chord[1], chord[0])) - print_tilt_deg
    apart = min(_median_apart(left, right), _median_apart(far_left, far_right))
    beside = (np.ptp(left, axis=1) + np.ptp(right, axis=1)) / 2
    return Trace(
        length_mm=length / px_per_mm,
        covered=covered,
        step=float(np.median(step)),
        sides_apart=apart,
        pale=float(np.median(np.ptp(on, axis=1) - beside)),
        flank=float(np.median(flank)),
        dark_share=float((flank > DARK_FLANK).mean()),
        off_axis_deg=float(abs((angle + 45) % 90 - 45)),
        straightness=float(off.max()) / px_per_mm,
        companions=float(companions),
    )


def _median_apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.median(np.linalg.norm(one - other, axis=1)))


def companions_of(points: list[np.ndarray], px_per_mm: float) -> list[int]:
    """For each polyline, how many others run beside it within 4 mm and within 6 degrees."""
    if not points:
        return []
    middles = np.array([line.mean(axis=0) for line in points])
    ways = np.array([line[-1] - line[0] for line in points])
    lengths = np.linalg.norm(ways, axis=1)
    ways = ways / np.maximum(lengths[:, None], 1e-9)
    between = middles[None] - middles[:, None]
    across = np.abs(between[..., 0] * ways[:, None, 1] - between[..., 1] * ways[:, None, 0]) / px_per_mm
    along = np.abs((between * ways[:, None]).sum(axis=2))
    alike = np.abs((ways[:, None] * ways[None]).sum(axis=2)) > np.cos(np.radians(6))
    beside = alike & (across < 4.0) & (across > 0.25) & (along < (lengths[:, None] + lengths[None]) / 2)
    np.fill_diagonal(beside, False)
    return [int(count) for count in beside.sum(axis=1)]
