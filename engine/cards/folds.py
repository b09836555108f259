"""Cross-validation folds, grouped and stratified by grade. Free of torch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.cards.grades import GRADES, NoTarget
from engine.cards.pairs import CardPair
from engine.errors import BadInput


class TooFewGroups(BadInput):
    """Fewer groups of cards than folds."""


def assign_folds(pairs: Sequence[CardPair], folds: int, seed: int) -> list[int | None]:
    """Assign each card a fold, 0 to `folds` - 1; None for cards of the test split and cards without a class.

    Groups stay whole. They are assigned in order of size, the largest first, each to the fold with the fewest cards of
    its grades so far (the greedy rule of scikit-learn's StratifiedGroupKFold); the seed breaks ties. Raises
    TooFewGroups.
    """
    counts: dict[str, np.ndarray] = {}
    for pair in pairs:
        target = pair.target()
        if pair.split != "test" and not isinstance(target, NoTarget):
            counts.setdefault(pair.group_key, np.zeros(len(GRADES)))[target - 1] += 1
    if len(counts) < folds:
        raise TooFewGroups(
            f"{len(counts)} groups of cards cannot be split into {folds} folds; label more cards, or use fewer folds"
        )
    grade_totals = np.maximum(sum(counts.values()), 1)
    fold_counts = np.zeros((folds, len(GRADES)))
    fold_of: dict[str, int] = {}
    for group in sorted(counts, key=lambda name: (-counts[name].sum(), hash_order(name, seed))):
        # Increase of the sum of squared fractions; ties go to the fold with the fewest cards.
        increase = ((2 * fold_counts + counts[group]) * counts[group] / grade_totals**2).sum(axis=1)
        fold_of[group] = int(np.lexsort((fold_counts.sum(axis=1), increase.round(12)))[0])
        fold_counts[fold_of[group]] += counts[group]
    return [None if pair.split == "test" else fold_of.get(pair.group_key) for pair in pairs]


def splits_of_fold(pairs: Sequence[CardPair], fold_of: Sequence[int | None], fold: int) -> list[CardPair]:
    """Set the splits of one fold's run: that fold is validation, the others training; the test split is unchanged."""
    return [
        pair if card_fold is None else replace(pair, split="val" if card_fold == fold else "train")
        for pair, card_fold in zip(pairs, fold_of, strict=True)
    ]


def hash_order(name: str, seed: int) -> str:
    """Sort key of a name, 64 hex digits: pseudo-random by seed, and independent of the other names."""
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()
