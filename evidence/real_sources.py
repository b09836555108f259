"""The real graded pictures by source, which cards stay sealed, and the folds of the open ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, islice

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import REAL_PICTURES
from engine.cards.folds import assign_folds, hash_order
from engine.cards.pairs import CardPair
from labeling.snapshot import pairs_from_manifest

PAIRS, FRONTS, BASEBALL = "pokemon_pairs", "pokemon_fronts", "psa_baseball"
LABELS = "labels.csv"
SOURCES = (PAIRS, FRONTS, BASEBALL)
# Of the pairs, those with the lowest hash of their name are kept out of every choice and every training run.
SEALED_CARDS = 40


def require_real_pictures() -> None:
    """Raise SystemExit, naming the folder, if a source is absent."""
    if missing := [name for name in SOURCES if not (REAL_PICTURES / name).is_dir()]:
        raise SystemExit(f"{REAL_PICTURES / missing[0]} is absent; set LOUPE_REAL_PICTURES to the real pictures")


def open_and_sealed_pairs() -> tuple[list[CardPair], list[CardPair]]:
    """The pairs without and with the sealed ones, each in the group of its near-duplicates."""
    pairs = pairs_from_manifest(REAL_PICTURES / PAIRS / LABELS).pairs
    sealed = {pair.card_id for pair in _by_hash(pairs)[:SEALED_CARDS]}
    return [pair for pair in pairs if pair.card_id not in sealed], [pair for pair in pairs if pair.card_id in sealed]


def fronts() -> list[CardPair]:
    """The small fronts of graded Pokemon cards."""
    return pairs_from_manifest(REAL_PICTURES / FRONTS / LABELS).pairs


def baseball(per_grade: int) -> list[CardPair]:
    """At most that many fronts per grade of the baseball cards, chosen by the hash of their name."""
    folders = [REAL_PICTURES / BASEBALL / f"psa{grade}" for grade in range(1, 11)]
    cards = [
        CardPair(path.stem, path, None, float(folder.name.removeprefix("psa")))
        for folder in folders
        for path in sorted(folder.iterdir())
    ]
    return some_per_grade(cards, per_grade)


def some_per_grade(cards: Sequence[CardPair], per_grade: int) -> list[CardPair]:
    """At most that many cards per grade, chosen by the hash of their name."""
    by_grade = groupby(sorted(_by_hash(cards), key=lambda card: card.grade or 0), lambda card: card.grade)
    return [card for _, members in by_grade for card in islice(members, per_grade)]


def folds_of(pairs: Sequence[CardPair], folds: int, seed: int) -> NDArray[np.int64]:
    """Fold of each card; groups stay whole, and no card is kept out as a test card."""
    return np.array(assign_folds([replace(pair, split="train") for pair in pairs], folds, seed))


def _by_hash(cards: Sequence[CardPair]) -> list[CardPair]:
    return sorted(cards, key=lambda card: hash_order(card.card_id, 0))
