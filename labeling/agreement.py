"""Agreement of people who graded the same card: no model can be expected to agree with them better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np

from db.label_queue import Labeling, cards_labelled_blind, labelings
from db.predictions import predictions_of
from db.session import Session
from engine.cards.grades import training_target
from engine.evaluation.metrics import CLASSES, metrics_with_intervals


@dataclass(frozen=True)
class Agreement:
    """Agreement of two grades of each of n cards: quadratic weighted kappa with its 95 % interval, and equal grades.

    qwk       None if it is undefined, low and high with a single card
    exact     fraction of the cards that got the same grade twice
    """

    n: int
    qwk: float | None
    low: float | None
    high: float | None
    exact: float


@dataclass(frozen=True)
class Agreements:
    """Agreement of different labelers, of labelers with themselves, and of the model with the first of them.

    None where no card was graded twice, blind the second time, or where the model knows none of these.
    """

    between: Agreement | None
    with_oneself: Agreement | None
    of_model: Agreement | None


def agreements(session: Session, model_sha256: str | None) -> Agreements:
    """Compare the labels given blind with those that the cards had before, and the model's grades with the latter."""
    twice = list(_graded_twice(labelings(session, card_ids=sorted(cards_labelled_blind(session)))))
    between = [(first, second) for first, second in twice if first.author != second.author]
    with_oneself = [(first, second) for first, second in twice if first.author == second.author]
    predicted = {} if model_sha256 is None else predictions_of(session, model_sha256=model_sha256)
    by_model = []
    for first, _ in twice:
        probabilities, _ = predicted.get(first.card_id, (None, ""))
        if probabilities is not None:
            by_model.append((first.card_id, _target(first), int(np.frombuffer(probabilities, np.float64).argmax()) + 1))
    return Agreements(
        _agreement([(first.card_id, _target(first), _target(second)) for first, second in between]),
        _agreement([(first.card_id, _target(first), _target(second)) for first, second in with_oneself]),
        _agreement(by_model),
    )


def _graded_twice(given: Sequence[Labeling]) -> Iterator[tuple[Labeling, Labeling]]:
    """Yield a label and the next one of the same card, where that was given blind and both are whole grades."""
    for _, of_card in groupby(given, lambda labeling: labeling.card_id):
        for first, second in pairwise(of_card):
            if second.blind and _target(first) and _target(second):
                yield first, second


def _target(labeling: Labeling) -> int:
    target = training_target(labeling.grade, labeling.qualifier)
    return target if isinstance(target, int) else 0


def _agreement(rows: Sequence[tuple[int, int, int]]) -> Agreement | None:
    """The agreement of (card, grade, other grade)."""
    if not rows:
        return None
    cards, first, second = (list(column) for column in zip(*rows, strict=True))
    certain = np.eye(CLASSES)[np.array(second) - 1]
    metrics = metrics_with_intervals(np.array(first), certain, [str(card) for card in cards])
    return Agreement(len(rows), metrics["qwk"], metrics["qwk_low"], metrics["qwk_high"], metrics["exact"])
