"""Features of a line on the surface, from the picture on and near it, that distinguish wear from print."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

# Set by hand on simulated scans, if no source is named: see engine/measure/__init__.py.

# Distances from a line at which the colors on both of its sides are sampled.
NEAR_OFFSET_MM = 0.3
FAR_OFFSET_MM = 0.9
# Length of the moving average along the line, in samples of one pixel.
SMOOTHING_SAMPLES = 9
# Levels by which the shaded flank of a fold is darker than the surface further out.
MIN_FLANK_DARKNESS = 6.0


@dataclass(frozen=True)
class LineFeatures:
    """Features of a line; levels are 0 to 255, medians along the line.

    length_mm            from end to end
    visible_fraction     fraction of it on which segments were detected
    contrast             brightness above both sides, in the darkest of the three channels
    side_difference      color distance between its two sides, near or far, whichever is less
    chroma_difference    its chroma (largest less smallest channel) less that of its sides: wear takes color away
    flank_darkness       darkness of one side, near against far: the shaded flank of a fold
    dark_flank_fraction  fraction of the line with such a flank
    off_axis_deg         angle to the nearer axis of the print
    max_deviation_mm     largest distance from the straight line between its ends
    parallel_lines       number of other lines parallel to it within 4 mm and 6 degrees
    """

    length_mm: float
    visible_fraction: float
    contrast: float
    side_difference: float
    chroma_difference: float
    flank_darkness: float
    dark_flank_fraction: float
    off_axis_deg: float
    max_deviation_mm: float
    parallel_lines: float


def sample_colors(rgb: np.ndarray, points: np.ndarray, px_per_mm: float) -> dict[float, np.ndarray]:
    """Sample colors once a pixel along a polyline: (n, 3) by distance in mm, 0 on it, negative on its other side.

    rgb     (H, W, 3) uint8
    points  (N, 2) pixels
    """
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    distinct = np.concatenate([[True], steps > 1e-6])
    points = points[distinct]
    distances = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    at = np.arange(0, distances[-1] + 1e-6, 1.0)
    line = np.column_stack([np.interp(at, distances, points[:, axis]) for axis in (0, 1)])
    direction = np.gradient(line, axis=0)
    direction = cv2.blur(direction, (1, SMOOTHING_SAMPLES), borderType=cv2.BORDER_REPLICATE)
    direction = direction / np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-9)
    across = np.column_stack([-direction[:, 1], direction[:, 0]])
    colors = {}
    for offset in (0.0, NEAR_OFFSET_MM, -NEAR_OFFSET_MM, FAR_OFFSET_MM, -FAR_OFFSET_MM):
        points_px = (line + across * offset * px_per_mm).astype(np.float32)
        samples = cv2.remap(
            rgb, points_px[:, None, :1], points_px[:, None, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )[:, 0].astype(np.float32)
        colors[offset] = cv2.blur(samples, (1, SMOOTHING_SAMPLES), borderType=cv2.BORDER_REPLICATE)
    return colors


def describe_line(
    rgb: np.ndarray,
    points: np.ndarray,
    visible_fraction: float,
    px_per_mm: float,
    *,
    print_tilt_deg: float,
    parallel_lines: int,
) -> LineFeatures:
    """Compute the features of a line.

    rgb             (H, W, 3) uint8, lightly smoothed
    points          (N, 2) pixels of the line, in order
    print_tilt_deg  of the print in the picture, clockwise
    """
    colors = sample_colors(rgb, points, px_per_mm)
    on_line, left, right = colors[0.0], colors[NEAR_OFFSET_MM], colors[-NEAR_OFFSET_MM]
    far_left, far_right = colors[FAR_OFFSET_MM], colors[-FAR_OFFSET_MM]
    darkest = {offset: samples.min(axis=1) for offset, samples in colors.items()}
    contrast = darkest[0.0] - np.maximum(darkest[NEAR_OFFSET_MM], darkest[-NEAR_OFFSET_MM])
    flank = np.maximum(
        darkest[FAR_OFFSET_MM] - darkest[NEAR_OFFSET_MM], darkest[-FAR_OFFSET_MM] - darkest[-NEAR_OFFSET_MM]
    )
    chord = points[-1] - points[0]
    length = float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())
    deviation = np.abs((points - points[0]) @ np.array([-chord[1], chord[0]])) / max(float(np.linalg.norm(chord)), 1e-9)
    angle = np.degrees(np.arctan2(chord[1], chord[0])) - print_tilt_deg
    side_chroma = (np.ptp(left, axis=1) + np.ptp(right, axis=1)) / 2
    return LineFeatures(
        length_mm=length / px_per_mm,
        visible_fraction=visible_fraction,
        contrast=float(np.median(contrast)),
        side_difference=min(_median_distance(left, right), _median_distance(far_left, far_right)),
        chroma_difference=float(np.median(np.ptp(on_line, axis=1) - side_chroma)),
        flank_darkness=float(np.median(flank)),
        dark_flank_fraction=float((flank > MIN_FLANK_DARKNESS).mean()),
        off_axis_deg=float(abs((angle + 45) % 90 - 45)),
        max_deviation_mm=float(deviation.max()) / px_per_mm,
        parallel_lines=float(parallel_lines),
    )


def _median_distance(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.median(np.linalg.norm(first - second, axis=1)))


def count_parallel_lines(points: list[np.ndarray], px_per_mm: float) -> list[int]:
    """Number of other polylines parallel to each one within 4 mm and 6 degrees."""
    if not points:
        return []
    middles = np.array([line.mean(axis=0) for line in points])
    directions = np.array([line[-1] - line[0] for line in points])
    lengths = np.linalg.norm(directions, axis=1)
    directions = directions / np.maximum(lengths[:, None], 1e-9)
    between = middles[None] - middles[:, None]
    across = np.abs(between[..., 0] * directions[:, None, 1] - between[..., 1] * directions[:, None, 0]) / px_per_mm
    along = np.abs((between * directions[:, None]).sum(axis=2))
    aligned = np.abs((directions[:, None] * directions[None]).sum(axis=2)) > np.cos(np.radians(6))
    parallel = aligned & (across < 4.0) & (across > 0.25) & (along < (lengths[:, None] + lengths[None]) / 2)
    np.fill_diagonal(parallel, False)
    return [int(count) for count in parallel.sum(axis=1)]
