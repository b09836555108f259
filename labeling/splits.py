"""Splits into train, val and test, derived from the group's name alone, so that adding cards never changes a split.

Cards that belong together get the same split: cards of one group, with the same picture, with neighboring
certificates, or with near-duplicate fronts. Such a set takes the group name of its oldest card.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from engine.cards.leakage import shared_pictures
from engine.cards.pairs import CardPair, Split
from labeling.duplicates import brightness_cells, near_duplicates, same_photo

TRAIN_FRACTION = 0.70
VAL_FRACTION = 0.15
# Cards of one submission have consecutive certificates, some of which may be missing here. Of 10,000 cards with
# certificates out of a hundred million, one in a thousand has an unrelated neighbor this near.
MAX_CERTIFICATE_GAP = 10
NEAR_FRONTS = "have fronts that look the same"
CERTIFICATE_PATTERN = re.compile(r"\d{6,10}")


class LeakingSplit(ValueError):
    """Cards that must stay together are fixed to different splits."""


class Link(NamedTuple):
    """Two cards that belong together, by index, and the reason as a predicate ("show the same picture ...")."""

    first: int
    second: int
    reason: str


def split_of(group: str) -> Split:
    """The split of a group: 70 % train, 15 % val, 15 % test, by the SHA-256 of its name."""
    position = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8]) / 2**64
    if position < TRAIN_FRACTION:
        return "train"
    return "val" if position < TRAIN_FRACTION + VAL_FRACTION else "test"


def assign_splits(pairs: Iterable[CardPair], phashes: Sequence[str | None] = ()) -> list[CardPair]:
    """Assign a split and a group to every pair; `pairs` are in order from oldest to newest.

    A split fixed for one card applies to its whole set. Near-duplicate fronts do not merge sets that are fixed to
    different splits, because similarity is uncertain and a manifest's split is not.

    phashes  perceptual hash of each front, None without a front; empty: fronts are not compared
    Raises LeakingSplit if two cards that belong together are fixed to different splits.
    """
    pairs = list(pairs)
    sets = _DisjointSets(pairs)
    for link in _certain_links(pairs):
        sets.merge(link)
    # Each front is decoded only once, however many near duplicates it has.
    cells_of = cache(brightness_cells)
    for first, second in near_duplicates(phashes):
        if sets.can_merge(first, second) or same_photo(cells_of(pairs[first].front), cells_of(pairs[second].front)):
            sets.merge(Link(first, second, "have fronts that are the same photo, saved again"))
    return [sets.assigned(index) for index in range(len(pairs))]


@dataclass(frozen=True)
class CardsKeptTogether:
    """Cards, by index, that must be in one split, that split, and the reasons as predicates ("have ...")."""

    members: tuple[int, ...]
    split: Split | None
    reasons: tuple[str, ...]


def kept_together(
    pairs: Sequence[CardPair], phashes: Sequence[str | None]
) -> tuple[list[CardsKeptTogether], list[str]]:
    """Find the sets of two or more cards that `assign_splits` keeps together, the largest first, with their reasons.

    Returns the sets, and a sentence for each pair of cards for which `assign_splits` raises LeakingSplit.
    """
    sets = _DisjointSets(pairs)
    links: list[Link] = []
    conflicts = []
    for link in _certain_links(pairs):
        try:
            sets.merge(link)
        except LeakingSplit as error:
            conflicts.append(str(error))
        else:
            links.append(link)
    for first, second in near_duplicates(phashes):
        if sets.can_merge(first, second):
            sets.merge(Link(first, second, NEAR_FRONTS))
            links.append(Link(first, second, NEAR_FRONTS))
    members: dict[int, list[int]] = {}
    for index in sorted({index for link in links for index in link[:2]}):
        members.setdefault(sets.root(index), []).append(index)
    reasons: dict[int, dict[str, None]] = {root: {} for root in members}
    # Looking alike first: it is often why cards are in one group.
    for link in sorted(links, key=lambda link: link.reason != NEAR_FRONTS):
        reasons[sets.root(link.first)][link.reason] = None
    found = [
        CardsKeptTogether(tuple(members[root]), sets.assigned(root).split, tuple(reasons[root])) for root in members
    ]
    return sorted(found, key=lambda cards: -len(cards.members)), conflicts


class _DisjointSets:
    """Union-find over cards by index. A set's root is its oldest card; its split is that of its fixed card, if any."""

    def __init__(self, pairs: Sequence[CardPair]) -> None:
        self._pairs = pairs
        self._parents = list(range(len(pairs)))
        self._fixed = {index: index for index, pair in enumerate(pairs) if pair.split is not None}

    def root(self, index: int) -> int:
        """The oldest card of a card's set."""
        while self._parents[index] != index:
            self._parents[index] = self._parents[self._parents[index]]
            index = self._parents[index]
        return index

    def _fixed_cards(self, first: int, second: int) -> list[CardPair]:
        """The fixed cards of the sets of two cards, at most one per set."""
        roots = sorted({self.root(first), self.root(second)})
        return [self._pairs[self._fixed[root]] for root in roots if root in self._fixed]

    def can_merge(self, first: int, second: int) -> bool:
        """True if the sets of two cards are not fixed to different splits."""
        return len({card.split for card in self._fixed_cards(first, second)}) < 2

    def merge(self, link: Link) -> None:
        """Merge the sets of two cards. Raises LeakingSplit if they are fixed to different splits."""
        fixed_cards = self._fixed_cards(link.first, link.second)
        if not self.can_merge(link.first, link.second):
            first_pair, second_pair = self._pairs[link.first], self._pairs[link.second]
            raise LeakingSplit(_leak_message(fixed_cards, first_pair, second_pair, link.reason))
        first, second = sorted((self.root(link.first), self.root(link.second)))
        self._parents[second] = first
        fixed = self._fixed.pop(second, None)
        if fixed is not None:
            self._fixed.setdefault(first, fixed)

    def assigned(self, index: int) -> CardPair:
        """A card with the split and the group of its set."""
        root = self.root(index)
        name, pair = self._pairs[root].group_key, self._pairs[index]
        split = self._pairs[self._fixed[root]].split if root in self._fixed else split_of(name)
        return replace(pair, split=split, group=pair.group if pair.group_key == name else name)


def _leak_message(fixed_cards: list[CardPair], first: CardPair, second: CardPair, reason: str) -> str:
    names = " and ".join(f"{card.card_id!r} ({card.split})" for card in fixed_cards)
    direct = {card.card_id for card in fixed_cards} == {first.card_id, second.card_id}
    same_group = len({card.group_key for card in (*fixed_cards, first, second)}) == 1
    through = (
        "" if direct or same_group else f"belong together through {first.card_id!r} and {second.card_id!r}, which "
    )
    return f"cards {names} {through}{reason}, which must stay in one split; give them the same split in the manifest"


def _certain_links(pairs: Sequence[CardPair]) -> Iterator[Link]:
    """Links that do not depend on how alike two pictures are."""
    yield from _group_links(pairs)
    yield from _picture_links(pairs)
    yield from _certificate_links(pairs)


def _group_links(pairs: Sequence[CardPair]) -> Iterator[Link]:
    first_of: dict[str, int] = {}
    for index, pair in enumerate(pairs):
        first = first_of.setdefault(pair.group_key, index)
        if first != index:
            yield Link(first, index, f"are both of the group {pair.group_key!r}")


def _picture_links(pairs: Sequence[CardPair]) -> Iterator[Link]:
    for shared in shared_pictures(pairs):
        yield Link(shared.first, shared.second, f"show the same picture {shared.path.name}")


def _certificate_links(pairs: Sequence[CardPair]) -> Iterator[Link]:
    """Links of neighboring certificates of six digits or more; shorter numbers are a collector's numbering."""
    certificates = sorted(
        (int(pair.cert), index) for index, pair in enumerate(pairs) if CERTIFICATE_PATTERN.fullmatch(pair.cert)
    )
    for (number, index), (next_number, next_index) in pairwise(certificates):
        if next_number - number <= MAX_CERTIFICATE_GAP:
            first, second = sorted((index, next_index))
            certs = f"{pairs[first].cert} and {pairs[second].cert}"
            yield Link(first, second, f"have the neighboring certificates {certs}")
