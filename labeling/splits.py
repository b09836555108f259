"""Which side a card trains on: fixed by its group's name alone, so that new cards move no old ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from engine.pairs import CardPair, Split

TRAIN_SHARE = 0.70
VAL_SHARE = 0.15


class LeakingSplit(ValueError):
    """One group of cards that must stay together is told to be on two sides."""


def split_of(group: str) -> Split:
    """The side of a group: 70 % train, 15 % val, 15 % test, drawn from the SHA-256 of its name."""
    place = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8]) / 2**64
    if place < TRAIN_SHARE:
        return "train"
    return "val" if place < TRAIN_SHARE + VAL_SHARE else "test"


def assign_splits(pairs: Iterable[CardPair]) -> list[CardPair]:
    """Give every pair its side, in the order given; a split fixed for one card holds for its whole group.

    Raises LeakingSplit where two cards of a group are fixed to different sides.
    """
    pairs = list(pairs)
    fixed: dict[str, CardPair] = {}
    for pair in pairs:
        if pair.split is None:
            continue
        other = fixed.setdefault(pair.group_key, pair)
        if other.split != pair.split:
            raise LeakingSplit(
                f"cards {other.card_id!r} ({other.split}) and {pair.card_id!r} ({pair.split}) are both of the group "
                f"{pair.group_key!r}, which must stay on one side; give them the same split in the manifest"
            )
    return [
        replace(pair, split=fixed[pair.group_key].split if pair.group_key in fixed else split_of(pair.group_key))
        for pair in pairs
    ]
