"""Random shapes of wear, in millimeters: ragged profiles, blobs, strokes, and segments along an edge."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from engine.simulate.wear.rim import area_mm2, length_mm


def ragged_profile(random: Generator, count: int, *, coarse: int = 6, fine: float = 0.5) -> np.ndarray:
    """Ragged depth profile of a worn edge, (count,) in 0 .. 1, zero at both ends."""
    position = np.linspace(0, 1, count)
    swell = np.interp(position, np.linspace(0, 1, coarse + 2), [0, *random.uniform(0.45, 1.0, coarse), 0])
    teeth = 1 - fine * random.random(count) ** 2
    depth = swell * teeth
    return depth / max(float(depth.max()), 1e-9)


def blob(random: Generator, area: float, *, elongation: float = 1.0, roughness: float = 0.25) -> np.ndarray:
    """Outline (48, 2) mm around (0, 0) of a rounded patch of an area in mm2, `elongation` times as long as wide."""
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    radius = np.ones(48)
    for wave in range(2, 6):
        radius += roughness / wave * random.normal() * np.cos(wave * turn + random.uniform(0, 2 * np.pi))
    outline = np.column_stack([np.cos(turn) * elongation, np.sin(turn)]) * np.clip(radius, 0.4, None)[:, None]
    tilt = random.uniform(0, np.pi)
    outline = outline @ np.array([(np.cos(tilt), np.sin(tilt)), (-np.sin(tilt), np.cos(tilt))])
    return outline * np.sqrt(area / area_mm2(outline))


def stroke(random: Generator, length: float, *, bend: float = 0.1, kinks: float = 0.0) -> np.ndarray:
    """Line (N, 2) mm around (0, 0) of exactly this length, in a random direction.

    bend   turn from end to end, radians
    kinks  standard deviation of the heading's change per step, radians
    """
    steps = max(4, int(length / 0.8))
    heading = random.uniform(0, 2 * np.pi) + np.linspace(-0.5, 0.5, steps) * bend
    heading = heading + np.cumsum(random.normal(0, 1, steps)) * kinks
    line = np.concatenate([np.zeros((1, 2)), np.cumsum(np.column_stack([np.cos(heading), np.sin(heading)]), axis=0)])
    line *= length / length_mm(line)
    return line - (line.min(axis=0) + line.max(axis=0)) / 2


def place_randomly(random: Generator, shape: np.ndarray, size_mm: np.ndarray, *, margin: float) -> np.ndarray:
    """Move a shape to a random position on a card of this size, at least `margin` mm from its edges if it fits."""
    half = np.ptp(shape, axis=0) / 2 + margin
    middle = (shape.min(axis=0) + shape.max(axis=0)) / 2
    free = np.maximum(size_mm - 2 * half, 0)
    return shape - middle + size_mm / 2 + free * (random.random(2) - 0.5)


def split_total(random: Generator, total: float, max_part: float) -> np.ndarray:
    """Split a total into a few random parts of at most `max_part`: (N,), summing to the total."""
    count = int(np.ceil(total / max_part)) + int(random.integers(0, 3)) * (total > 6)
    parts = random.uniform(0.4, 1.0, count)
    parts *= total / parts.sum()
    return parts if parts.max() <= max_part else np.full(count, total / count)


def random_starts(random: Generator, lengths: np.ndarray, start: float, end: float) -> np.ndarray:
    """Random starts (N,) of segments of these lengths, in any order between two positions, without overlap."""
    order = random.permutation(len(lengths))
    gaps = random.random(len(lengths) + 1) + 0.02
    gaps *= (end - start - lengths.sum()) / gaps.sum()
    starts = np.empty(len(lengths))
    starts[order] = start + np.cumsum(gaps[:-1]) + np.concatenate([[0.0], np.cumsum(lengths[order])[:-1]])
    return starts
