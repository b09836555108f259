"""Pieces of lines that go on from each other, taken together: a scratch broken by print is one scratch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.measure.surface.ridges import Piece

MOST_TURN_DEG = 14.0
MOST_GAP_MM = 2.5
MOST_OFF_MM = 0.35


@dataclass(frozen=True)
class Chain:
    """Pieces in order, all running the same way.

    points  (N, 2) their ends, in order
    """

    pieces: tuple[Piece, ...]

    @property
    def points(self) -> np.ndarray:
        """(2 n, 2) the ends of the pieces, in order."""
        return np.array([end for piece in self.pieces for end in (piece.start, piece.end)])

    @property
    def length(self) -> float:
        """From end to end, along the pieces, in pixels."""
        return float(np.linalg.norm(np.diff(self.points, axis=0), axis=1).sum())

    @property
    def covered(self) -> float:
        """Share of the length that pieces were seen on."""
        return sum(piece.length for piece in self.pieces) / max(self.length, 1e-9)

    @property
    def step(self) -> float:
        """How far it stands out, in levels, the mean over its pieces by length."""
        lengths = [piece.length for piece in self.pieces]
        return float(np.average([piece.step for piece in self.pieces], weights=lengths))


def chained(pieces: list[Piece], px_per_mm: float) -> list[Chain]:
    """Join pieces end to end, the nearest and straightest first; every piece is in one chain."""
    if not pieces:
        return []
    starts, ends = np.array([p.start for p in pieces]), np.array([p.end for p in pieces])
    tips = np.stack([starts, ends], axis=1)
    ways = np.array([p.way for p in pieces])
    outward = np.stack([-ways, ways], axis=1)
    joins = _possible_joins(tips, outward, px_per_mm)
    partner: dict[tuple[int, int], tuple[int, int]] = {}
    chain_of = list(range(len(pieces)))

    def root(index: int) -> int:
        while chain_of[index] != index:
            index = chain_of[index]
        return index

    for _, one, other in joins:
        if one in partner or other in partner or root(one[0]) == root(other[0]):
            continue
        partner[one], partner[other] = other, one
        chain_of[root(one[0])] = root(other[0])
    return [_followed(pieces, partner, index) for index in _first_of_each(pieces, partner)]


def _possible_joins(
    tips: np.ndarray, outward: np.ndarray, px_per_mm: float
) -> list[tuple[float, tuple[int, int], tuple[int, int]]]:
    """Pairs of tips (piece, end) that may be one line, the likeliest first."""
    flat, away = tips.reshape(-1, 2), outward.reshape(-1, 2)
    between = flat[None] - flat[:, None]
    gap = np.linalg.norm(between, axis=2)
    opposed = -(away[:, None] * away[None]).sum(axis=2)
    ahead = (between * away[:, None]).sum(axis=2)
    off = np.abs(between[..., 0] * away[:, None, 1] - between[..., 1] * away[:, None, 0])
    off = np.maximum(off, off.T)
    near = (gap <= MOST_GAP_MM * px_per_mm) & (opposed >= np.cos(np.radians(MOST_TURN_DEG)))
    near &= (off <= MOST_OFF_MM * px_per_mm) & (ahead > -MOST_OFF_MM * 2 * px_per_mm)
    first, second = np.nonzero(np.triu(near, 1))
    apart = first // 2 != second // 2
    first, second = first[apart], second[apart]
    cost = gap[first, second] + 3 * off[first, second]
    order = np.argsort(cost)
    return [
        (float(cost[i]), (int(first[i]) // 2, int(first[i]) % 2), (int(second[i]) // 2, int(second[i]) % 2))
        for i in order
    ]


def _first_of_each(pieces: list[Piece], partner: dict[tuple[int, int], tuple[int, int]]) -> list[tuple[int, int]]:
    """One free tip of every chain: where to begin following it."""
    begun, seen = [], set[int]()
    for index in range(len(pieces)):
        for end in (0, 1):
            if (index, end) in partner or index in seen:
                continue
            begun.append((index, end))
            at: tuple[int, int] | None = (index, end)
            while at is not None:
                seen.add(at[0])
                at = partner.get((at[0], 1 - at[1]))
    return begun


def _followed(pieces: list[Piece], partner: dict[tuple[int, int], tuple[int, int]], begin: tuple[int, int]) -> Chain:
    ordered = []
    at: tuple[int, int] | None = begin
    while at is not None:
        index, entered = at
        piece = pieces[index]
        ordered.append(piece if entered == 0 else Piece(piece.end, piece.start, piece.step))
        at = partner.get((index, 1 - entered))
    return Chain(tuple(ordered))
