"""What a run trains on, made ready: its cards, their worn copies, and the pictures of both in the pixel cache."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

from engine.cache import PixelCache
from engine.config import Config
from engine.data import Trainable, limited, pictures_of, usable
from engine.events import Event, Notice, Progress
from engine.pairs import CardPair, Refused
from engine.ranks import Ranks
from engine.worn import worn_cards

Stop = Callable[[], bool]


def prepare(
    ranks: Ranks, config: Config, pairs: Sequence[CardPair], folder: Path, stop: Stop
) -> Generator[Event, None, tuple[list[Trainable], PixelCache] | None]:
    """The cards of the training and validation splits that can be used, and their pixels; None when asked to stop.

    Of several processes one makes the worn copies and one, whichever comes first, fills the cache; the rest find both.
    """
    taken = limited([pair for pair in pairs if pair.split != "test"], config.max_pairs, config.seed)
    with ranks.first_goes_first():
        worn = yield from worn_cards(taken, config, folder / "worn", stop)
    taken += worn
    pixels = PixelCache(folder, pictures_of(taken), config.image_size, cropped=pictures_of(worn))
    stopped = False
    for done, total in pixels.fill():
        yield Progress("pictures", 0, done, total)
        if stopped := stop():
            break
    if ranks.any(stopped):
        return None
    kept, left_out = usable(taken, pixels)
    yield from _tell(left_out)
    return kept, pixels


def _tell(left_out: Sequence[Refused]) -> Iterator[Notice]:
    """One notice for each reason, with how many cards it concerns and the first of them."""
    by_reason: dict[str, list[str]] = {}
    for refused in left_out:
        by_reason.setdefault(refused.reason, []).append(refused.path)
    for reason, names in by_reason.items():
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield Notice(f"{names[0]}{others}: left out: {reason}")
