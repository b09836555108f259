"""Cards that must not stand on two sides of a split, as far as the files themselves tell. Free of torch."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeVar

from engine.cards.pairs import CardPair
from engine.errors import BadInput

# A back that more cards than this share is the game's stock picture: it shows none of them and ties none together.
MOST_SHARING_A_BACK = 2
Key = TypeVar("Key", bound=Hashable)


class Leak(BadInput):
    """What a run would be judged on has been trained on; the message names the two cards and the remedy."""


class SamePicture(NamedTuple):
    """Two cards, by their places, that show the same bytes; `backs` where it is the back of both."""

    one: int
    other: int
    path: Path
    backs: bool


class _Shown(NamedTuple):
    place: int
    path: Path
    back: bool


def same_pictures(pairs: Sequence[CardPair]) -> Iterator[SamePicture]:
    """Cards that show the same picture file, or files of the same bytes, each with one card that shows it.

    Only files of equal size are read, each path once. Files that are gone show nothing. A back that three cards or
    more share is a stock picture and counts for nothing, also where it stands in for a front.
    """
    shown = [
        _Shown(place, path, back)
        for place, pair in enumerate(pairs)
        for path, back in ((pair.front, False), (pair.back, True))
        if path is not None
    ]
    bytes_of = cache(_bytes_of)
    for same_size in _alike(shown, lambda one: one.path.stat().st_size if one.path.is_file() else None):
        for same in _alike(same_size, lambda one: bytes_of(one.path)):
            fronts, backs = ([one for one in same if one.back == back] for back in (False, True))
            # A front leads where there is one: what is told of its cards then holds whatever becomes of their backs.
            tied = fronts if len(backs) > MOST_SHARING_A_BACK else fronts + backs
            for first, other in ((tied[0], other) for other in tied[1:]):
                if other.place != first.place:
                    one, two = sorted((first.place, other.place))
                    yield SamePicture(one, two, other.path, first.back and other.back)


def refuse_leaks(pairs: Iterable[CardPair]) -> None:
    """Raise Leak where one group, or one picture, stands on two sides of the split.

    Cards without a side, or without a training class, stand on none: nothing is learned from them, nothing judged.
    A back on another card's back is passed over: these cards are part of a collection, and only the whole of it tells
    whether a back is the stock picture.
    """
    placed = [pair for pair in pairs if pair.split is not None and pair.has_class]
    first_of: dict[str, CardPair] = {}
    for pair in placed:
        other = first_of.setdefault(pair.group_key, pair)
        if other.split != pair.split:
            raise Leak(_sentence(other, pair, f"are both of the group {pair.group_key!r}"))
    for same in same_pictures(placed):
        one, other = placed[same.one], placed[same.other]
        if one.split != other.split and not same.backs:
            raise Leak(_sentence(one, other, f"show the same picture {same.path.name}"))


def _sentence(one: CardPair, other: CardPair, why: str) -> str:
    return (
        f"cards {one.card_id!r} ({one.split}) and {other.card_id!r} ({other.split}) {why} and stand on two sides of "
        "the split: what one is judged on, the other has learned; give them the same split"
    )


def _alike(shown: Iterable[_Shown], key: Callable[[_Shown], Key | None]) -> Iterator[list[_Shown]]:
    """Those of equal key, where there are several; a key of None is like no other."""
    of_key: defaultdict[Key, list[_Shown]] = defaultdict(list)
    for one in shown:
        value = key(one)
        if value is not None:
            of_key[value].append(one)
    return (several for several in of_key.values() if len(several) > 1)


def _bytes_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
