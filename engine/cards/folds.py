"""Every card once in validation: folds that keep groups whole and the mix of grades alike. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.cards.grades import GRADES, LeftOut
from engine.cards.pairs import CardPair
from engine.cards.stable_hash import lot
from engine.errors import BadInput


class TooFewGroups(BadInput):
    """Fewer groups of cards than folds."""


def fold_of_each(pairs: Sequence[CardPair], folds: int, seed: int) -> list[int | None]:
    """The fold, 0 to `folds` - 1, of each card; None for cards of the test split, and those without a class.

    Whole groups are dealt out, the largest first, each into the fold that has least of its grades so far (the greedy
    rule of scikit-learn's StratifiedGroupKFold); the seed settles the order of equals. Raises TooFewGroups.
    """
    counts: dict[str, np.ndarray] = {}
    for pair in pairs:
        target = pair.target()
        if pair.split != "test" and not isinstance(target, LeftOut):
            counts.setdefault(pair.group_key, np.zeros(len(GRADES)))[target - 1] += 1
    if len(counts) < folds:
        raise TooFewGroups(
            f"{len(counts)} groups of cards cannot be dealt into {folds} folds; label more, or use fewer"
        )
    of_grade = np.maximum(sum(counts.values()), 1)
    held = np.zeros((folds, len(GRADES)))
    fold_of: dict[str, int] = {}
    for group in sorted(counts, key=lambda name: (-counts[name].sum(), lot(name, seed))):
        # What taking the group in adds to the sum of squared shares; of equals, the fold with the fewest cards.
        added = ((2 * held + counts[group]) * counts[group] / of_grade**2).sum(axis=1)
        fold_of[group] = int(np.lexsort((held.sum(axis=1), added.round(12)))[0])
        held[fold_of[group]] += counts[group]
    return [None if pair.split == "test" else fold_of.get(pair.group_key) for pair in pairs]


def with_fold(pairs: Sequence[CardPair], fold_of: Sequence[int | None], fold: int) -> list[CardPair]:
    """The cards of one fold's run: that fold validates, the others train, the test split stays what it is."""
    return [
        pair if mine is None else replace(pair, split="val" if mine == fold else "train")
        for pair, mine in zip(pairs, fold_of, strict=True)
    ]
