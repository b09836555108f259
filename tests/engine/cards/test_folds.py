"""Folds keep groups whole and the test split untouched; their grades are as even as with scikit-learn."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from engine.cards.folds import TooFewGroups, assign_folds, splits_of_fold
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
def test_every_card_validates_once_and_no_group_is_split(labels, folds):
    grades, groups = zip(*labels, strict=True)
    pairs = cards(grades, groups, ["test" if group == "h" else "val" for group in groups])
    usable = [pair for pair in pairs if pair.grade is not None and pair.split != "test"]
    if len({pair.group for pair in usable}) < folds:
        with pytest.raises(TooFewGroups, match=f"cannot be split into {folds} folds"):
            assign_folds(pairs, folds, 0)
        return
    fold_of = assign_folds(pairs, folds, 0)
    validated = Counter(
        pair.card_id
        for fold in range(folds)
        for pair in splits_of_fold(pairs, fold_of, fold)
        if pair.split == "val" and pair.grade is not None
    )
    assert validated == Counter(pair.card_id for pair in usable)
    for fold in range(folds):
        split_of_group: dict[str, set] = {}
        for pair in splits_of_fold(pairs, fold_of, fold):
            if pair.grade is not None:
                split_of_group.setdefault(pair.group, set()).add(pair.split)
            assert (pair.split == "test") == (pair.group == "h")
        assert all(len(splits) == 1 for splits in split_of_group.values())


def test_grades_are_spread_as_well_as_scikit_learn_spreads_them():
    random = np.random.default_rng(0)
    groups = [f"g{n // 3}" for n in range(900)]
    grades = random.choice(range(1, 11), 900, p=np.array([1, 1, 1, 2, 3, 5, 9, 16, 22, 40]) / 100)
    folds = np.array(assign_folds(cards(grades.tolist(), groups), 5, 0))
    sklearn_folds = np.empty(900, int)
    splits = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(grades, grades, groups)
    for fold, (_, validation) in enumerate(splits):
        sklearn_folds[validation] = fold

    def unevenness(fold_of):
        table = np.zeros((5, 10))
        np.add.at(table, (fold_of, grades - 1), 1)
        return (table / np.maximum(table.sum(axis=0), 1)).std(axis=0).mean()

    assert unevenness(folds) <= unevenness(sklearn_folds) * 1.1
    assert np.bincount(folds).min() >= 170


def test_the_same_seed_gives_the_same_folds_and_another_does_not():
    pairs = cards([9] * 40, [f"g{n}" for n in range(40)])
    assert assign_folds(pairs, 4, 1) == assign_folds(pairs, 4, 1)
    assert assign_folds(pairs, 4, 1) != assign_folds(pairs, 4, 2)
