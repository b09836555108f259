"""Selection of a run's cards: those with a training class and a picture, subsampled to a maximum number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from engine.cards.folds import hash_order
from engine.cards.grades import GRADES, NoTarget
from engine.cards.pairs import CardPair, Refused
from engine.config import Config
from engine.data.picture_cache import PixelCache
from engine.errors import BadInput

SPLITS = {"train": "training", "val": "validation"}


class NoCards(BadInput):
    """No card is left to train or evaluate on; the message gives the reason and the remedy."""


class OneGrade(BadInput):
    """All training cards have the same grade; the message gives the remedy."""


@dataclass(frozen=True)
class LabelledCard:
    """A card with its training class, 1 to 10."""

    pair: CardPair
    grade: int


def training_and_validation(pairs: Iterable[CardPair], config: Config) -> list[CardPair]:
    """Cards of the training and validation splits, at most `config.max_pairs`."""
    return subsample([pair for pair in pairs if pair.split != "test"], config.max_pairs, config.seed)


def check_grades_differ(grades: Sequence[int]) -> None:
    """Raise OneGrade if there are training cards and all have the same grade."""
    if len(set(grades)) == 1:
        raise OneGrade(
            f"{f'all {len(grades)} training cards have' if len(grades) > 1 else 'the only training card has'} grade "
            f"{grades[0]}, so a model would learn nothing; label cards of other grades"
        )


def check_labels(pairs: Iterable[CardPair], config: Config) -> None:
    """Raise OneGrade if a run would train on a single grade, before any picture is read.

    Without a training split, as before a cross-validation, all cards count. Worn copies add grades: `prepare_run_data`
    checks them.
    """
    cards = training_and_validation(pairs, config)
    training = [pair for pair in cards if pair.split == "train"] or cards
    if config.synthetic_wear_per_grade == 0:
        check_grades_differ([grade for pair in training if not isinstance(grade := pair.target(), NoTarget)])


def check_splits(pairs: Iterable[CardPair], config: Config) -> None:
    """Raise NoCards if a run would have no card to train or to validate on, before any picture is read."""
    cards = [pair for pair in training_and_validation(pairs, config) if pair.has_class]
    for split in SPLITS:
        require_cards([pair for pair in cards if pair.split == split], split)


def require_cards(cards: Sequence[object], split: str) -> None:
    """Raise NoCards if there is no card in a split, "train" or "val"."""
    if not cards:
        raise NoCards(f"no card is left for {SPLITS[split]}; label more cards, so that the {split} split has some")


def subsample(pairs: Sequence[CardPair], max_pairs: int, seed: int) -> list[CardPair]:
    """Select at most `max_pairs` pairs with a training class, stratified by split and grade; 0 selects all.

    Within a split and grade, the pairs with the lowest hash of seed and card are selected, so that adding cards changes
    the selection little. Pairs without a training class are kept and not counted, so that their reason is reported.
    """
    with_class = (pair for pair in pairs if pair.has_class)
    ordered = sorted(with_class, key=lambda pair: (_stratum(pair), hash_order(pair.card_id, seed)))
    if max_pairs == 0 or len(ordered) <= max_pairs:
        return list(pairs)
    counts = Counter(_stratum(ordered[index * len(ordered) // max_pairs]) for index in range(max_pairs))
    selected = [pair for stratum, members in groupby(ordered, _stratum) for pair in list(members)[: counts[stratum]]]
    return selected + [pair for pair in pairs if not pair.has_class]


def _stratum(pair: CardPair) -> tuple[str, float]:
    return pair.split or "", pair.grade or 0.0


def labelled_pictures(pairs: Sequence[CardPair]) -> list[Path]:
    """Pictures of the pairs with a training class, which are the ones to prepare."""
    return [side for pair in pairs if pair.has_class for side in (pair.front, pair.back) if side]


def with_pictures(pairs: Sequence[CardPair], cache: PixelCache) -> tuple[list[LabelledCard], list[Refused]]:
    """Select cards with a training class and at least one prepared picture; returns them and the refused ones.

    A card is also refused if one of its files is not the recorded picture, which its label describes.
    """
    usable, refused = [], []
    for pair in pairs:
        grade = pair.target()
        if isinstance(grade, NoTarget):
            refused.append(Refused(pair.card_id, grade.reason))
        elif reason := _reason_not_recorded(pair, cache):
            refused.append(Refused(pair.card_id, reason))
        elif pair.front not in cache and pair.back not in cache:
            reasons = [cache.refused[side] for side in (pair.front, pair.back) if side]
            refused.append(Refused(pair.card_id, "; ".join(reasons) or "no picture of a side that the model uses"))
        else:
            usable.append(LabelledCard(pair, grade))
    return usable, refused


def _reason_not_recorded(pair: CardPair, cache: PixelCache) -> str:
    """The reason why a picture of the card is not the recorded one; "" if all are."""
    reasons = (cache.reason_not_recorded(path, sha256) for path, sha256 in pair.sides)
    return next(filter(None, reasons), "")


def counts_by_grade(cards: Sequence[LabelledCard]) -> np.ndarray:
    """Number of cards of each grade 1 to 10, (10,) int."""
    return np.bincount([card.grade - 1 for card in cards], minlength=len(GRADES))
