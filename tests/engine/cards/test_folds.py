"""Folds keep groups whole, the test sealed and grades spread, held against scikit-learn's own."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from engine.cards.folds import TooFewGroups, fold_of_each, with_fold
from engine.cards.pairs import CardPair


def cards(grades, groups, splits=()):
    splits = splits or ["train"] * len(grades)
    return [
        CardPair(f"c{n}", None, None, grade=grade, group=group, split=split)
        for n, (grade, group, split) in enumerate(zip(grades, groups, splits, strict=True))
    ]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 5, 9, 8.5, None]),
            st.sampled_from("abcdefgh"),
        ),
        min_size=20,
        max_size=60,
    ),
    st.integers(2, 4),
)
def test_every_card_validates_once_and_no_group_is_parted(drawn, folds):
    grades, groups = zip(*drawn, strict=True)
    pairs = cards(grades, groups, ["test" if group == "h" else "val" for group in groups])
    usable = [pair for pair in pairs if pair.grade is not None and pair.split != "test"]
    if len({pair.group for pair in usable}) < folds:
        with pytest.raises(TooFewGroups, match=f"cannot be dealt into {folds} folds"):
            fold_of_each(pairs, folds, 0)
        return
    fold_of = fold_of_each(pairs, folds, 0)
    validated = Counter(
        pair.card_id
        for fold in range(folds)
        for pair in with_fold(pairs, fold_of, fold)
        if pair.split == "val" and pair.grade is not None
    )
    assert validated == Counter(pair.card_id for pair in usable)
    for fold in range(folds):
        split_of_group: dict[str, set] = {}
        for pair in with_fold(pairs, fold_of, fold):
            if pair.grade is not None:
                split_of_group.setdefault(pair.group, set()).add(pair.split)
            assert (pair.split == "test") == (pair.group == "h")
        assert all(len(splits) == 1 for splits in split_of_group.values())


def test_grades_are_spread_as_well_as_scikit_learn_spreads_them():
    random = np.random.default_rng(0)
    groups = [f"g{n // 3}" for n in range(900)]
    grades = random.choice(range(1, 11), 900, p=np.array([1, 1, 1, 2, 3, 5, 9, 16, 22, 40]) / 100)
    ours = np.array(fold_of_each(cards(grades.tolist(), groups), 5, 0))
    theirs = np.empty(900, int)
    dealt = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(grades, grades, groups)
    for fold, (_, held) in enumerate(dealt):
        theirs[held] = fold

    def unevenness(fold_of):
        table = np.zeros((5, 10))
        np.add.at(table, (fold_of, grades - 1), 1)
        return (table / np.maximum(table.sum(axis=0), 1)).std(axis=0).mean()

    assert unevenness(ours) <= unevenness(theirs) * 1.1
    assert np.bincount(ours).min() >= 170


def test_the_same_seed_deals_alike_and_another_does_not():
    pairs = cards([9] * 40, [f"g{n}" for n in range(40)])
    assert fold_of_each(pairs, 4, 1) == fold_of_each(pairs, 4, 1)
    assert fold_of_each(pairs, 4, 1) != fold_of_each(pairs, 4, 2)
