"""Linking of collinear line segments: a scratch interrupted by print is one scratch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from engine.measure.surface.ridges import LineSegment

# Set by hand on simulated scans, if no source is named: see engine/measure/__init__.py.

# Limits for joining two segments: angle between them, gap, and lateral offset.
MAX_ANGLE_DEG = 14.0
MAX_GAP_MM = 2.5
MAX_OFFSET_MM = 0.35

End = tuple[int, int]  # (segment, 0 for its start or 1 for its end)


@dataclass(frozen=True)
class LinkedLine:
    """Segments in order, all with the same orientation."""

    segments: tuple[LineSegment, ...]

    @property
    def points(self) -> np.ndarray:
        """(2 n, 2) ends of the segments, in order."""
        return np.array([end for segment in self.segments for end in (segment.start, segment.end)])

    @property
    def length(self) -> float:
        """Length from end to end along the segments, in pixels."""
        return float(np.linalg.norm(np.diff(self.points, axis=0), axis=1).sum())

    @property
    def visible_fraction(self) -> float:
        """Fraction of the length that the segments cover."""
        return sum(segment.length for segment in self.segments) / max(self.length, 1e-9)


def link_segments(segments: list[LineSegment], px_per_mm: float) -> list[LinkedLine]:
    """Join segments end to end, the nearest and straightest first; every segment belongs to one line."""
    if not segments:
        return []
    starts, ends = np.array([s.start for s in segments]), np.array([s.end for s in segments])
    tips = np.stack([starts, ends], axis=1)
    directions = np.array([s.direction for s in segments])
    outward = np.stack([-directions, directions], axis=1)
    joins = _possible_joins(tips, outward, px_per_mm)
    partner: dict[End, End] = {}
    # Union-find over segments, so that no line closes into a ring.
    parent = list(range(len(segments)))

    def root(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    for _, first, second in joins:
        if first in partner or second in partner or root(first[0]) == root(second[0]):
            continue
        partner[first], partner[second] = second, first
        parent[root(first[0])] = root(second[0])
    return [_follow(segments, partner, start) for start in _free_ends(segments, partner)]


def _possible_joins(tips: np.ndarray, outward: np.ndarray, px_per_mm: float) -> list[tuple[float, End, End]]:
    """Pairs of segment ends that may belong to one line, with their cost, the cheapest first."""
    points, away = tips.reshape(-1, 2), outward.reshape(-1, 2)
    pairs = cKDTree(points).query_pairs(MAX_GAP_MM * px_per_mm, output_type="ndarray")
    pairs = pairs[pairs[:, 0] // 2 != pairs[:, 1] // 2]
    first, second = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))].T
    between = points[second] - points[first]
    gap = np.linalg.norm(between, axis=1)
    opposed = -(away[first] * away[second]).sum(axis=1)
    ahead = (between * away[first]).sum(axis=1)
    offset = np.maximum(
        *(np.abs(between[:, 0] * away[end, 1] - between[:, 1] * away[end, 0]) for end in (first, second))
    )
    near = (opposed >= np.cos(np.radians(MAX_ANGLE_DEG))) & (offset <= MAX_OFFSET_MM * px_per_mm)
    near &= ahead > -MAX_OFFSET_MM * 2 * px_per_mm
    cost, first, second = (gap + 3 * offset)[near], first[near], second[near]
    return [
        (float(cost[i]), (int(first[i]) // 2, int(first[i]) % 2), (int(second[i]) // 2, int(second[i]) % 2))
        for i in np.argsort(cost)
    ]


def _free_ends(segments: list[LineSegment], partner: dict[End, End]) -> list[End]:
    """One free end of every line, from which to follow it."""
    starts, visited = [], set[int]()
    for index in range(len(segments)):
        for end in (0, 1):
            if (index, end) in partner or index in visited:
                continue
            starts.append((index, end))
            at: End | None = (index, end)
            while at is not None:
                visited.add(at[0])
                at = partner.get((at[0], 1 - at[1]))
    return starts


def _follow(segments: list[LineSegment], partner: dict[End, End], start: End) -> LinkedLine:
    """Collect the segments from a free end on, each oriented along the line."""
    ordered = []
    at: End | None = start
    while at is not None:
        index, entry = at
        segment = segments[index]
        ordered.append(segment if entry == 0 else LineSegment(segment.end, segment.start, segment.contrast))
        at = partner.get((index, 1 - entry))
    return LinkedLine(tuple(ordered))
