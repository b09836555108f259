"""Near-duplicate photos of fronts, by the Hamming distance of their perceptual hashes.

A picture that was compressed, scaled or brightened again must not sit in training while its twin sits in the test.
Backs take no part: all backs of a game look alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from engine.image.read import BadPicture, read_picture

# Of 64 bits; distances are even, because pHash cuts at its own median. Measured on 6,000 fronts of graded baseball
# cards, 600 of them altered and saved again. Within 4 lie all of those at JPEG quality 40, halved or doubled in size,
# 98 % with 15 % more light and 95 % with 1 % cut off all round (within 2: 99, 99, 86 and 71 %). Of different cards
# 4 lets 43 of the 6,000 share a group: of 28 such pairs looked at, 15 are two copies of one print, 12 two cards of
# one design and one is unrelated. 6 would let 195 share one, about half of its pairs unrelated; 8 would let 694.
# Another photo of a card, turned by 2 degrees or cut by 3 %, is mostly out of reach: no distance finds it safely.
NEAR_BITS = 4
# Of the 30 pairs of those fronts within 4 bits, two copies of one print correlate at up to .992 over 32 x 32 cells; all
# recompressed and halved copies of 300 fronts at .996 and more, 95 % of those 15 % lighter at .995. So from here on two
# fronts are beyond doubt one photo, and a split that is fixed otherwise is refused.
SAME_PHOTO = 0.995
CELLS = 32
# The 64 bits in one part more than may differ: in one of them at least, two near hashes are equal.
PARTS = tuple(np.uint64(sum(1 << bit for bit in range(part, 64, NEAR_BITS + 1))) for part in range(NEAR_BITS + 1))


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


def near(phashes: Sequence[str | None]) -> Iterator[tuple[int, int]]:
    """The pairs of places, the lower first, whose hashes (16 hex, or None) lie within the distance, in their order.

    Of five parts of two such hashes one is equal, since four bits cannot lie in all five: only hashes that share a part
    are compared, not all with all.
    """
    places = np.array([place for place, phash in enumerate(phashes) if phash is not None], dtype=np.int64)
    hashes = np.array([int(phashes[place] or "", 16) for place in places], dtype=np.uint64)
    pairs = np.concatenate([_sharing(hashes, part) for part in range(len(PARTS))])
    for one, other in pairs[np.lexsort(pairs.T[::-1])]:
        yield int(places[one]), int(places[other])


def _sharing(hashes: np.ndarray, part: int) -> np.ndarray:
    """The near ones among hashes that share a part and none before it: (n, 2), the lower place first."""
    keys = hashes & PARTS[part]
    order = np.argsort(keys, kind="stable")
    keys, found = keys[order], [np.empty((0, 2), np.int64)]
    # Of the sorted keys, those that equal the one `apart` places on also equal all between.
    first = np.arange(len(keys))
    for apart in range(1, len(keys)):
        first = first[: np.searchsorted(first, len(keys) - apart)]
        first = first[keys[first] == keys[first + apart]]
        if not len(first):
            break
        one, other = order[first], order[first + apart]
        differing = hashes[one] ^ hashes[other]
        close = np.bitwise_count(differing) <= NEAR_BITS
        for earlier in PARTS[:part]:
            close &= (differing & earlier) != 0
        found.append(np.stack([one[close], other[close]], axis=1))
    return np.concatenate(found)


def same_photo(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    """Whether two pictures' cells tell beyond doubt of one photo, saved anew; what cannot be read is not."""
    return one is not None and other is not None and float(one @ other) >= SAME_PHOTO


def cells(path: Path | None) -> np.ndarray | None:
    """A picture's mean brightness in 32 x 32 cells, (1024,), its mean nought and its length one; None if unreadable."""
    if path is None:
        return None
    try:
        grey = cv2.cvtColor(read_picture(path), cv2.COLOR_RGB2GRAY)
    except BadPicture:  # whoever uses the picture says so
        return None
    means = cv2.resize(grey, (CELLS, CELLS), interpolation=cv2.INTER_AREA).astype(np.float64).ravel()
    means -= means.mean()
    return means / max(float(np.linalg.norm(means)), 1e-9)
