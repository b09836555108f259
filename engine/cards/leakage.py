"""Leakage between splits: cards of one group, or with one picture, in different splits. Free of torch."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeVar

from engine.cards.pairs import CardPair
from engine.errors import BadInput
from engine.image.content_hash import readable_hash

# A back shared by more cards than this is the game's stock picture: it links no cards.
MAX_CARDS_PER_BACK = 2
Key = TypeVar("Key", bound=Hashable)


class Leak(BadInput):
    """Training cards are among the cards to evaluate on; the message names two cards and the remedy."""


class SharedPicture(NamedTuple):
    """Two cards, by index, with a byte-identical picture.

    path        the picture of the card `second`
    both_backs  it is the back of both cards
    """

    first: int
    second: int
    path: Path
    both_backs: bool


class _CardPicture(NamedTuple):
    card_index: int
    path: Path
    is_back: bool
    sha256: str  # "" if not recorded


def shared_pictures(pairs: Sequence[CardPair]) -> Iterator[SharedPicture]:
    """Find cards whose pictures are the same file, or byte-identical files: each card paired with one reference card.

    A recorded hash is used as it is, without the file. Without one, only files of equal size are read, each path once;
    missing files are skipped. A back shared by three or more cards is a stock picture and is ignored, even if it
    replaces a front.
    """
    pictures = [
        _CardPicture(index, path, is_back, sha256)
        for index, pair in enumerate(pairs)
        for path, is_back, sha256 in ((pair.front, False, pair.front_sha256), (pair.back, True, pair.back_sha256))
        if path is not None
    ]
    for same in _equal(pictures, _hash_function(pictures)):
        fronts, backs = ([picture for picture in same if picture.is_back == back] for back in (False, True))
        # A front first: `both_backs` is then False for every pair with a front.
        linked = fronts if len(backs) > MAX_CARDS_PER_BACK else fronts + backs
        for reference, picture in ((linked[0], picture) for picture in linked[1:]):
            if picture.card_index != reference.card_index:
                first, second = sorted((reference.card_index, picture.card_index))
                yield SharedPicture(first, second, picture.path, reference.is_back and picture.is_back)


def _hash_function(pictures: Sequence[_CardPicture]) -> Callable[[_CardPicture], str | None]:
    """A function that returns a picture's recorded hash, or computes it if another file has the same size."""
    hash_of_file = cache(readable_hash)
    if all(picture.sha256 for picture in pictures):
        return lambda picture: picture.sha256
    sizes = {path: path.stat().st_size for path in {picture.path for picture in pictures} if path.is_file()}
    pictures_of_size = Counter(sizes[picture.path] for picture in pictures if picture.path in sizes)

    def hash_of(picture: _CardPicture) -> str | None:
        if picture.sha256:
            return picture.sha256
        size = sizes.get(picture.path)
        return (hash_of_file(picture.path) or None) if size is not None and pictures_of_size[size] > 1 else None

    return hash_of


def check_no_leakage(pairs: Iterable[CardPair]) -> None:
    """Raise Leak if one group, or one picture, occurs in two splits.

    Cards without a split or a training class are ignored. So are two cards that share only a back: whether it is the
    stock picture can be decided only on the whole collection, and these cards may be a part of it.
    """
    cards = [pair for pair in pairs if pair.split is not None and pair.has_class]
    first_of: dict[str, CardPair] = {}
    for card in cards:
        first = first_of.setdefault(card.group_key, card)
        if first.split != card.split:
            raise Leak(_message(first, card, f"are both of the group {card.group_key!r}"))
    for shared in shared_pictures(cards):
        first, second = cards[shared.first], cards[shared.second]
        if first.split != second.split and not shared.both_backs:
            raise Leak(_message(first, second, f"show the same picture {shared.path.name}"))


def _message(first: CardPair, second: CardPair, link: str) -> str:
    return (
        f"cards {first.card_id!r} ({first.split}) and {second.card_id!r} ({second.split}) {link} but are in different "
        "splits, so the model would be evaluated on a card it was trained on; give them the same split"
    )


def _equal(pictures: Iterable[_CardPicture], key: Callable[[_CardPicture], Key | None]) -> Iterator[list[_CardPicture]]:
    """Pictures with equal keys, in lists of two or more; a key of None equals no other."""
    of_key: defaultdict[Key, list[_CardPicture]] = defaultdict(list)
    for picture in pictures:
        value = key(picture)
        if value is not None:
            of_key[value].append(picture)
    return (equal for equal in of_key.values() if len(equal) > 1)
