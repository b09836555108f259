"""What a run trains on, made ready: its cards, their worn copies, and the pictures of both in the pixel cache."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.cards.pairs import CardPair, Refused
from engine.config import Config
from engine.data.auxiliary import beside_pixels
from engine.data.dataset import Beside
from engine.data.distillation import Teachers
from engine.data.picture_cache import PixelCache
from engine.data.selection import NoCards, Trainable, pictures_of, taken, usable
from engine.data.synthetic_wear import worn_cards
from engine.distributed import Ranks
from engine.events import Event, Notice, Progress

Stop = Callable[[], bool]
SPLITS = (("train", "training"), ("val", "validation"))


@dataclass(frozen=True)
class Prepared:
    """The cards of the training and validation splits that can be used, their pixels and what the run wants beside."""

    training: list[Trainable]
    validation: list[Trainable]
    pixels: PixelCache
    beside: Beside


def prepare(
    ranks: Ranks, config: Config, pairs: Sequence[CardPair], folder: Path, stop: Stop
) -> Generator[Event, None, Prepared | None]:
    """Prepare what a run trains on; None when asked to stop. Raises NoCards where either split has none.

    Of several processes one makes the worn copies and one, whichever comes first, fills each cache; the rest find them.
    Raises BadPredictions before anything is prepared where its teachers cannot be read.
    """
    teachers = Teachers.named(config.teachers)
    cards = taken(pairs, config)
    with ranks.first_goes_first():
        worn = yield from worn_cards(cards, config, folder / "worn", stop)
    # Asked here too: where all pictures are prepared the filling asks nothing, and the run would miss copies.
    if ranks.any(config.worn_up_to > 0 and stop()):
        return None
    cards += worn
    pixels = PixelCache(folder, pictures_of(cards), config.image_size, cropped=pictures_of(worn), seen=config.seen)
    stopped = False
    for done, total in pixels.fill():
        yield Progress("pictures", 0, done, total)
        if stopped := stop():
            break
    if ranks.any(stopped):
        return None
    kept, left_out = usable(cards, pixels)
    yield from _tell(left_out)
    training, validation = (_of_split(kept, name, word) for name, word in SPLITS)
    with ranks.first_goes_first():
        beside = yield from beside_pixels(kept, pixels, config, folder, stop)
    # Not `beside is None` alone: the processes stop together.
    if ranks.any(beside is None) or beside is None:
        return None
    if teachers is not None:
        known = sum(card.pair.card_id in teachers for card in training)
        yield Notice(f"the teachers say something of {known} of {len(training)} training cards")
    return Prepared(training, validation, pixels, replace(beside, teachers=teachers))


def _of_split(cards: Sequence[Trainable], name: str, word: str) -> list[Trainable]:
    chosen = [card for card in cards if card.pair.split == name]
    if not chosen:
        raise NoCards(f"no card is left for {word}; label more cards, so that the {name} split has some")
    return chosen


def _tell(left_out: Sequence[Refused]) -> Iterator[Notice]:
    """One notice for each reason, with how many cards it concerns and the first of them."""
    by_reason: dict[str, list[str]] = {}
    for refused in left_out:
        by_reason.setdefault(refused.reason, []).append(refused.path)
    for reason, names in by_reason.items():
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield Notice(f"{names[0]}{others}: left out: {reason}")
