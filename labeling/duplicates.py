"""Near-duplicate photos of fronts, by the Hamming distance of their perceptual hashes.

A picture that was compressed, scaled or brightened again must not sit in training while its twin sits in the test.
Backs take no part: all backs of a game look alike.
"""

from __future__ import annotations

import numpy as np

# Of 64 bits; distances are even, because pHash cuts at its own median. Measured on 6,000 fronts of graded baseball
# cards, of 600 of them altered and saved again: within 4 lie 100 % of those at JPEG quality 40, halved or doubled in
# size, 98 % with 15 % more light, 95 % with a 1 % border cut off (within 2: 99, 99, 86 and 71 %). Of different
# cards 4 joins 43 of the 6,000 (pairs at 2 and 4: 30, nearly all of them two copies of one print, in one scanner);
# 6 would join 195 and half of its 109 pairs show unrelated cards; 8 would join 694, and nearly all are unrelated.
NEAR_BITS = 4


class FrontIndex:
    """The fronts known so far and the group that each stands in, for one import."""

    def __init__(self) -> None:
        self._hashes = np.zeros(1024, dtype=np.uint64)
        self._groups: list[str] = []
        self._splits: dict[str, str] = {}

    def add(self, phash: str, *, group: str, fixed_split: str | None) -> None:
        """Make a front known, with its card's group and the split that a manifest fixed for it, if any."""
        if len(self._groups) == len(self._hashes):
            self._hashes = np.concatenate([self._hashes, np.zeros_like(self._hashes)])
        self._hashes[len(self._groups)] = int(phash, 16)
        self._groups.append(group)
        if fixed_split is not None:
            self._splits.setdefault(group, fixed_split)

    def group_of(self, phash: str, *, fixed_split: str | None) -> str | None:
        """The group of the nearest known front (the earliest of equals), or None where none is near.

        Likeness is a guess and a manifest's split is a statement: a card whose split is fixed is not drawn into a
        group that is fixed to another one.
        """
        distances = hamming(np.uint64(int(phash, 16)), self._hashes[: len(self._groups)])
        near = np.flatnonzero(distances <= NEAR_BITS)
        for place in near[np.argsort(distances[near], kind="stable")]:
            group = self._groups[place]
            if fixed_split is None or self._splits.get(group, fixed_split) == fixed_split:
                return group
        return None


def hamming(one: np.uint64, many: np.ndarray) -> np.ndarray:
    """How many bits differ between one hash and each of many, uint64 (N,) -> uint8 (N,)."""
    return np.bitwise_count(many ^ one)
