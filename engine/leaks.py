"""Cards that must not stand on two sides of a split, as far as the files themselves tell. Free of torch."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from engine.errors import BadInput
from engine.grades import LeftOut
from engine.pairs import CardPair

# A back that more cards than this share is the game's stock picture: it shows none of them and ties none together.
MOST_SHARING_A_BACK = 2
Key = TypeVar("Key", bound=Hashable)


class Leak(BadInput):
    """What a run would be judged on has been trained on; the message names the two cards and the remedy."""


class SamePicture(NamedTuple):
    """Two cards, by their places, that show the same bytes."""

    one: int
    other: int
    path: Path


class _Shown(NamedTuple):
    place: int
    path: Path
    back: bool


def same_pictures(pairs: Sequence[CardPair]) -> Iterator[SamePicture]:
    """Cards that show the same picture file, or files of the same bytes, each with the first card that shows it.

    Only files of equal size are read. Files that are gone show nothing. A back that three cards or more share is a
    stock picture and counts for nothing.
    """
    shown = [
        _Shown(place, path, back)
        for place, pair in enumerate(pairs)
        for path, back in ((pair.front, False), (pair.back, True))
        if path is not None
    ]
    for same_size in _alike(shown, lambda one: one.path.stat().st_size if one.path.is_file() else None):
        for same in _alike(same_size, lambda one: _bytes_of(one.path)):
            if all(one.back for one in same) and len(same) > MOST_SHARING_A_BACK:
                continue
            for other in same[1:]:
                if other.place != same[0].place:
                    yield SamePicture(same[0].place, other.place, other.path)


def refuse_leaks(pairs: Iterable[CardPair]) -> None:
    """Raise Leak where one group, or one picture, stands on two sides of the split.

    Cards without a side, or without a training class, stand on none: nothing is learned from them, nothing judged.
    """
    placed = [pair for pair in pairs if pair.split is not None and not isinstance(pair.target(), LeftOut)]
    first_of: dict[str, CardPair] = {}
    for pair in placed:
        other = first_of.setdefault(pair.group_key, pair)
        if other.split != pair.split:
            raise Leak(_sentence(other, pair, f"are both of the group {pair.group_key!r}"))
    for same in same_pictures(placed):
        one, other = placed[same.one], placed[same.other]
        if one.split != other.split:
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
