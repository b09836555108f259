"""Which cards a run takes: those with a training class and a picture, at most so many; the others with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from engine.cards.grades import GRADES, LeftOut
from engine.cards.pairs import CardPair, Refused
from engine.cards.stable_hash import lot
from engine.config import Config
from engine.data.picture_cache import PixelCache
from engine.errors import BadInput


class NoCards(BadInput):
    """No card is left to train or evaluate on; the message says why and what to do."""


@dataclass(frozen=True)
class Trainable:
    """A card that a run can use, and its class, 1 to 10."""

    pair: CardPair
    grade: int


def taken(pairs: Iterable[CardPair], config: Config) -> list[CardPair]:
    """The cards that a run learns from and chooses its epoch by: none that is sealed, and so many as it is told."""
    return limited([pair for pair in pairs if pair.split != "test"], config.max_pairs, config.seed)


def limited(pairs: Sequence[CardPair], most: int, seed: int) -> list[CardPair]:
    """At most `most` of the pairs that have a training class, keeping the mix of splits and grades; 0 takes all.

    Of a split and grade, those are taken whose hash of seed and card is lowest, so that added cards move hardly any.
    Pairs without a training class stay, uncounted, so that the reason can be told.
    """
    having = (pair for pair in pairs if pair.has_class)
    ordered = sorted(having, key=lambda pair: (_stratum(pair), lot(pair.card_id, seed)))
    if most == 0 or len(ordered) <= most:
        return list(pairs)
    share = Counter(_stratum(ordered[index * len(ordered) // most]) for index in range(most))
    chosen = [pair for stratum, members in groupby(ordered, _stratum) for pair in list(members)[: share[stratum]]]
    return chosen + [pair for pair in pairs if not pair.has_class]


def _stratum(pair: CardPair) -> tuple[str, float]:
    return pair.split or "", pair.grade or 0.0


def pictures_of(pairs: Sequence[CardPair]) -> list[Path]:
    """The pictures of the pairs that have a training class: those worth preparing."""
    return [side for pair in pairs if pair.has_class for side in (pair.front, pair.back) if side]


def usable(pairs: Sequence[CardPair], cache: PixelCache) -> tuple[list[Trainable], list[Refused]]:
    """Cards with a training class and at least one prepared picture; the others with the reason."""
    kept, left_out = [], []
    for pair in pairs:
        grade = pair.target()
        if isinstance(grade, LeftOut):
            left_out.append(Refused(pair.card_id, grade.reason))
        elif pair.front not in cache and pair.back not in cache:
            reasons = [cache.refused[side] for side in (pair.front, pair.back) if side]
            left_out.append(Refused(pair.card_id, "; ".join(reasons) or "no picture of a side that is looked at"))
        else:
            kept.append(Trainable(pair, grade))
    return kept, left_out


def counts_by_grade(cards: Sequence[Trainable]) -> np.ndarray:
    """Cards of grade 1 to 10, (10,) int."""
    return np.bincount([card.grade - 1 for card in cards], minlength=len(GRADES))
