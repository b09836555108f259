"""Which side a card trains on: fixed by its group's name alone, so that new cards move no old ones.

Cards that belong together stand on one side: those of one group, those that show one picture, those whose certificates
are neighbours, those whose fronts look nearly alike. What is so joined bears the name of its oldest card's group.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from engine.cards.leakage import same_pictures
from engine.cards.pairs import CardPair, Split
from labeling.duplicates import cells, near, same_photo

TRAIN_SHARE = 0.70
VAL_SHARE = 0.15
# Certificates of one submission follow each other, and not every card of it need be here. Of 10,000 cards with
# certificates out of a hundred million, one in a thousand has a stranger this near.
CERTIFICATES_APART = 10
CERTIFICATE = re.compile(r"\d{6,10}")


class LeakingSplit(ValueError):
    """Cards that must stay together are told to be on two sides."""


class Link(NamedTuple):
    """Two cards, by their places, that belong together, and why, as the rest of a sentence on the two."""

    one: int
    other: int
    why: str


def split_of(group: str) -> Split:
    """The side of a group: 70 % train, 15 % val, 15 % test, drawn from the SHA-256 of its name."""
    place = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8]) / 2**64
    if place < TRAIN_SHARE:
        return "train"
    return "val" if place < TRAIN_SHARE + VAL_SHARE else "test"


def assign_splits(pairs: Iterable[CardPair], phashes: Sequence[str | None] = ()) -> list[CardPair]:
    """Give every pair its side and the name of what it is joined to, in the order given, which is oldest first.

    A split fixed for one card holds for all that are joined to it. Likeness is a guess and a manifest's split is a
    statement: fronts that only look nearly alike join no cards that are fixed to different sides.

    phashes  of the fronts, one a card, None where there is none; empty: fronts are not compared
    Raises LeakingSplit where two cards that belong together are fixed to different sides.
    """
    pairs = list(pairs)
    joined = _Joined(pairs)
    for link in (*_of_groups(pairs), *_of_pictures(pairs), *_of_certificates(pairs)):
        joined.join(link)
    # However many it looks like, a front is decoded once.
    cells_of = cache(cells)
    for one, other in near(phashes):
        if joined.agree(one, other) or same_photo(cells_of(pairs[one].front), cells_of(pairs[other].front)):
            joined.join(Link(one, other, "have fronts that are the same photo, saved anew"))
    return [joined.placed(place) for place in range(len(pairs))]


class _Joined:
    """Cards in sets that grow together. The oldest card of a set stands for it; one that is fixed speaks for it."""

    def __init__(self, pairs: Sequence[CardPair]) -> None:
        self._pairs = pairs
        self._above = list(range(len(pairs)))
        self._fixed = {place: place for place, pair in enumerate(pairs) if pair.split is not None}

    def oldest(self, place: int) -> int:
        """The first card of a card's set."""
        while self._above[place] != place:
            self._above[place] = self._above[self._above[place]]
            place = self._above[place]
        return place

    def _speakers(self, one: int, other: int) -> list[CardPair]:
        """The fixed cards of the two sets, at most one of each."""
        sets = sorted({self.oldest(one), self.oldest(other)})
        return [self._pairs[self._fixed[top]] for top in sets if top in self._fixed]

    def agree(self, one: int, other: int) -> bool:
        """Whether the sets of two cards can become one."""
        return len({card.split for card in self._speakers(one, other)}) < 2

    def join(self, link: Link) -> None:
        """Make the sets of two cards one. Raises LeakingSplit where they are fixed to different sides."""
        speakers = self._speakers(link.one, link.other)
        if not self.agree(link.one, link.other):
            raise LeakingSplit(_refusal(speakers, self._pairs[link.one], self._pairs[link.other], link.why))
        first, second = sorted((self.oldest(link.one), self.oldest(link.other)))
        self._above[second] = first
        fixed = self._fixed.pop(second, None)
        if fixed is not None:
            self._fixed.setdefault(first, fixed)

    def placed(self, place: int) -> CardPair:
        """A card with its set's side and name."""
        top = self.oldest(place)
        name, pair = self._pairs[top].group_key, self._pairs[place]
        side = self._pairs[self._fixed[top]].split if top in self._fixed else split_of(name)
        return replace(pair, split=side, group=pair.group if pair.group_key == name else name)


def _refusal(speakers: list[CardPair], one: CardPair, other: CardPair, why: str) -> str:
    fixed = " and ".join(f"{card.card_id!r} ({card.split})" for card in speakers)
    direct = {card.card_id for card in speakers} == {one.card_id, other.card_id}
    same_group = len({card.group_key for card in (*speakers, one, other)}) == 1
    through = "" if direct or same_group else f"belong together through {one.card_id!r} and {other.card_id!r}, which "
    return f"cards {fixed} {through}{why}, which must stay on one side; give them the same split in the manifest"


def _of_groups(pairs: Sequence[CardPair]) -> Iterator[Link]:
    first_of: dict[str, int] = {}
    for place, pair in enumerate(pairs):
        first = first_of.setdefault(pair.group_key, place)
        if first != place:
            yield Link(first, place, f"are both of the group {pair.group_key!r}")


def _of_pictures(pairs: Sequence[CardPair]) -> Iterator[Link]:
    for same in same_pictures(pairs):
        yield Link(same.one, same.other, f"show the same picture {same.path.name}")


def _of_certificates(pairs: Sequence[CardPair]) -> Iterator[Link]:
    """Neighbours in the order of their numbers, of six digits or more: fewer are somebody's own count."""
    numbered = sorted((int(pair.cert), place) for place, pair in enumerate(pairs) if CERTIFICATE.fullmatch(pair.cert))
    for (number, place), (next_number, next_place) in pairwise(numbered):
        if next_number - number <= CERTIFICATES_APART:
            one, other = sorted((place, next_place))
            yield Link(one, other, f"have the neighbouring certificates {pairs[one].cert} and {pairs[other].cert}")
