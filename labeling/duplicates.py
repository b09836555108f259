"""Near-duplicate photos of fronts, by the Hamming distance of their perceptual hashes.

A recompressed, scaled or brightened copy of a test picture must not be in the training set. Backs are not compared: all
backs of a game look alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from engine.image.read import BadPicture, read_picture

# Maximum Hamming distance of near duplicates, out of 64 bits; distances are even, because pHash thresholds at the
# median. Measured on 6,000 fronts of graded baseball cards, 600 of them with altered copies. A distance of 4 finds all
# copies at JPEG quality 40 and at half or double size, 98 % of those 15 % brighter and 95 % of those with 1 % cropped
# all round (2: 99, 99, 86 and 71 %). It also groups 43 of the 6,000 different cards: of 28 such pairs inspected, 15 are
# two copies of one print, 12 two cards of one design, and one is unrelated. 6 would group 195 cards, with about half of
# the pairs unrelated; 8 would group 694. A second photo of a card, rotated by 2 degrees or cropped by 3 %, is mostly
# out of reach: no threshold finds it reliably.
MAX_NEAR_BITS = 4
# Correlation over 32 x 32 brightness cells. Among the 30 pairs of those fronts within 4 bits, two copies of one print
# reach .992; recompressed and halved copies of 300 fronts all reach .996, and 95 % of those 15 % brighter .995. From
# this value on two fronts are the same photo, and conflicting fixed splits are refused.
MIN_SAME_PHOTO_CORRELATION = 0.995
GRID_SIZE = 32
# Masks of MAX_NEAR_BITS + 1 disjoint parts of the 64 bits: two near hashes are equal in at least one part.
PART_MASKS = tuple(
    np.uint64(sum(1 << bit for bit in range(part, 64, MAX_NEAR_BITS + 1))) for part in range(MAX_NEAR_BITS + 1)
)


class FrontIndex:
    """Index of front hashes and their groups during one import."""

    def __init__(self) -> None:
        self._hashes = np.zeros(1024, dtype=np.uint64)
        self._groups: list[str] = []
        self._splits: dict[str, str] = {}

    def add(self, phash: str, *, group: str, fixed_split: str | None) -> None:
        """Add a front with its card's group and the split fixed by a manifest, if any."""
        if len(self._groups) == len(self._hashes):
            self._hashes = np.concatenate([self._hashes, np.zeros_like(self._hashes)])
        self._hashes[len(self._groups)] = int(phash, 16)
        self._groups.append(group)
        if fixed_split is not None:
            self._splits.setdefault(group, fixed_split)

    def group_of(self, phash: str, *, fixed_split: str | None) -> str | None:
        """The group of the nearest front (the earliest of equals), or None if none is near.

        Similarity is uncertain, a manifest's split is not: a card with a fixed split never joins a group that is fixed
        to another split.
        """
        distances = hamming_distances(np.uint64(int(phash, 16)), self._hashes[: len(self._groups)])
        near = np.flatnonzero(distances <= MAX_NEAR_BITS)
        for index in near[np.argsort(distances[near], kind="stable")]:
            group = self._groups[index]
            if fixed_split is None or self._splits.get(group, fixed_split) == fixed_split:
                return group
        return None


def hamming_distances(reference: np.uint64, hashes: np.ndarray) -> np.ndarray:
    """Number of bits in which each hash differs from the reference, uint64 (N,) -> uint8 (N,)."""
    return np.bitwise_count(hashes ^ reference)


def near_duplicates(phashes: Sequence[str | None]) -> Iterator[tuple[int, int]]:
    """Yield the index pairs, sorted, lower index first, of hashes (16 hex, or None) within MAX_NEAR_BITS.

    Four differing bits leave at least one of five parts equal, so only hashes that share a part are compared.
    """
    indices = np.array([index for index, phash in enumerate(phashes) if phash is not None], dtype=np.int64)
    hashes = np.array([int(phashes[index] or "", 16) for index in indices], dtype=np.uint64)
    pairs = np.concatenate([_pairs_sharing_part(hashes, part) for part in range(len(PART_MASKS))])
    for first, second in pairs[np.lexsort(pairs.T[::-1])]:
        yield int(indices[first]), int(indices[second])


def _pairs_sharing_part(hashes: np.ndarray, part: int) -> np.ndarray:
    """Index pairs (n, 2), lower first, of near hashes that share this part and no earlier one."""
    keys = hashes & PART_MASKS[part]
    order = np.argsort(keys, kind="stable")
    keys, pairs = keys[order], [np.empty((0, 2), np.int64)]
    # The keys are sorted: a key equal to the one `step` positions later also equals all keys in between.
    starts = np.arange(len(keys))
    for step in range(1, len(keys)):
        starts = starts[: np.searchsorted(starts, len(keys) - step)]
        starts = starts[keys[starts] == keys[starts + step]]
        if not len(starts):
            break
        first, second = order[starts], order[starts + step]
        differing = hashes[first] ^ hashes[second]
        near = np.bitwise_count(differing) <= MAX_NEAR_BITS
        for earlier_mask in PART_MASKS[:part]:
            near &= (differing & earlier_mask) != 0
        pairs.append(np.stack([first[near], second[near]], axis=1))
    return np.concatenate(pairs)


def same_photo(first_cells: np.ndarray | None, second_cells: np.ndarray | None) -> bool:
    """True if two pictures are certainly the same photo, saved again; False if one is unreadable (None)."""
    return (
        first_cells is not None
        and second_cells is not None
        and float(first_cells @ second_cells) >= MIN_SAME_PHOTO_CORRELATION
    )


def brightness_cells(path: Path | None) -> np.ndarray | None:
    """Mean brightness in 32 x 32 cells, (1024,) with zero mean and unit length; None if the picture is unreadable."""
    if path is None:
        return None
    try:
        grey = cv2.cvtColor(read_picture(path), cv2.COLOR_RGB2GRAY)
    except BadPicture:  # reported by the code that uses the picture
        return None
    means = cv2.resize(grey, (GRID_SIZE, GRID_SIZE), interpolation=cv2.INTER_AREA).astype(np.float64).ravel()
    means -= means.mean()
    return means / max(float(np.linalg.norm(means)), 1e-9)
