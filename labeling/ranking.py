"""Order of the labeling queue by what a label of each card is worth, with the reasons in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal, get_args

import numpy as np

from db import label_queue, predictions
from db.label_queue import QueueRow
from db.session import Session
from engine.cards.grades import GRADES, training_target, with_article
from engine.evaluation.label_scores import central_range, rarity, suspicion, uncertainty

QueueBy = Literal["suspect", "uncertain", "rare", "disagreement", "unreviewed", "mixed"]
QUEUE_ORDERS: tuple[QueueBy, ...] = get_args(QueueBy)
# Orders that ask no model.
BY_LABELS_ALONE: tuple[QueueBy, ...] = ("disagreement", "unreviewed")
# Parts of the mixed order: wrong labels hurt a model most, then come the grades that it has seen too few of.
MIXED_WEIGHTS: dict[QueueBy, float] = {
    "suspect": 0.5,
    "rare": 0.2,
    "uncertain": 0.15,
    "disagreement": 0.1,
    "unreviewed": 0.05,
}
GRADE_STEPS = len(GRADES) - 1
# A label is called suspect from half a grade beyond the best grade on.
MIN_SUSPICION = 0.5 / GRADE_STEPS


@dataclass(frozen=True)
class QueueEntry:
    """A card of the queue: its row id and name, its score, 0 .. 1, and the reasons for it."""

    row_id: int
    card_id: str
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class CardColumns:
    """Columns of what is known of n cards, in the order of their row ids.

    targets          (n,) training targets, 1 to 10; 0 for none
    is_predicted     (n,) True where the model gave probabilities
    probabilities    (n, 10) of those; 0 elsewhere
    distances        (n,) grades between the lowest and the highest label of different people
    problems         by index, why the model could not grade a card
    """

    rows: Sequence[QueueRow]
    targets: np.ndarray
    is_predicted: np.ndarray
    probabilities: np.ndarray
    distances: np.ndarray
    problems: Mapping[int, str]


@dataclass(frozen=True)
class _Scored:
    """Scores of n cards, (n,), 0 .. 1, and the function that puts the reason of one in words, "" for none."""

    scores: np.ndarray
    reason: Callable[[int], str]


class RankedQueue:
    """The cards outside the bin in an order that stays as it was when it was chosen, while labels are given.

    row_ids  (n,) best first; equal ones by id
    scores   (n,) theirs
    """

    def __init__(self, session: Session, by: QueueBy, model_sha256: str | None) -> None:
        """`model_sha256` is the model whose predictions count; None without one: no card is suspect or uncertain."""
        columns = card_columns(session, model_sha256)
        self._rows = columns.rows
        parts = MIXED_WEIGHTS if by == "mixed" else {by: 1.0}
        self._parts = [(weight, _SCORERS[order](columns)) for order, weight in parts.items()]
        scores = np.zeros(len(self._rows))
        for weight, scored in self._parts:
            scores += weight * scored.scores
        scores = scores.round(4)
        order = np.argsort(-scores, kind="stable")
        self.row_ids = np.array([row.card_id for row in self._rows], np.int64)[order]
        self.scores = scores[order]
        self._order = order

    def __len__(self) -> int:
        return len(self._rows)

    def entries(self, limit: int | None = None) -> list[QueueEntry]:
        """The first cards with their reasons; all by default."""
        return [
            QueueEntry(self._rows[index].card_id, self._rows[index].name, float(score), self._reasons(index))
            for index, score in zip(self._order[:limit], self.scores[:limit], strict=True)
        ]

    def reasons(self, row_id: int) -> tuple[str, ...]:
        """Reasons for the place of a card, the weightiest first; () for a card that is not in the queue."""
        index = self._index_of.get(row_id)
        return () if index is None else self._reasons(index)

    def _reasons(self, index: int) -> tuple[str, ...]:
        parts = sorted(self._parts, key=lambda part: -part[0] * part[1].scores[index])
        return tuple(filter(None, (scored.reason(index) for _, scored in parts)))

    @cached_property
    def _index_of(self) -> dict[int, int]:
        return {row.card_id: index for index, row in enumerate(self._rows)}


def card_columns(session: Session, model_sha256: str | None) -> CardColumns:
    """Read the cards outside the bin with the predictions of a model; None: without predictions."""
    rows = label_queue.queue_rows(session)
    predicted = {} if model_sha256 is None else predictions.predictions_of(session, model_sha256=model_sha256)
    stored = [predicted.get(row.card_id, (None, "")) for row in rows]
    is_predicted = np.array([probabilities is not None for probabilities, _ in stored], bool)
    probabilities = np.zeros((len(rows), len(GRADES)))
    known = b"".join(values for values, _ in stored if values is not None)
    probabilities[is_predicted] = np.frombuffer(known, np.float64).reshape(-1, len(GRADES))
    lowest = np.array([row.lowest for row in rows], np.float64)  # None becomes NaN
    highest = np.array([row.highest for row in rows], np.float64)
    return CardColumns(
        rows,
        np.array([_target(row.grade, row.qualifier) for row in rows], np.int64),
        is_predicted,
        probabilities,
        np.nan_to_num(highest - lowest),
        {index: problem for index, (_, problem) in enumerate(stored) if problem},
    )


@cache
def _target(grade: float | None, qualifier: str | None) -> int:
    target = training_target(grade, qualifier)
    return target if isinstance(target, int) else 0


def _suspect(columns: CardColumns) -> _Scored:
    chosen = np.flatnonzero((columns.targets > 0) & columns.is_predicted)
    scores = np.zeros(len(columns.rows))
    if len(chosen):
        scores[chosen] = suspicion(columns.probabilities[chosen], columns.targets[chosen])

    def reason(index: int) -> str:
        if scores[index] < MIN_SUSPICION:
            return f"not scored: {columns.problems[index]}" if index in columns.problems else ""
        grade, distribution = int(columns.targets[index]), columns.probabilities[index]
        near = float(distribution[max(grade - 2, 0) : grade + 1].sum())
        return (
            f"labelled {grade}, but the model expects {float(distribution @ GRADES):.1f} and gives "
            f"{with_article(grade)} or a grade next to it {near:.0%}"
        )

    return _Scored(scores, reason)


def _uncertain(columns: CardColumns) -> _Scored:
    scores = np.zeros(len(columns.rows))
    scores[columns.is_predicted] = uncertainty(columns.probabilities[columns.is_predicted])

    def reason(index: int) -> str:
        if not columns.is_predicted[index]:
            return ""
        low, high = central_range(columns.probabilities[index])
        return f"the model is unsure: anything from {low} to {high}"

    return _Scored(scores, reason)


def _rare(columns: CardColumns) -> _Scored:
    counts = np.bincount(columns.targets, minlength=len(GRADES) + 1)[1:]
    rare = rarity(counts)
    expected = columns.probabilities @ rare
    scores = np.where(columns.targets > 0, rare[columns.targets - 1], expected)

    def reason(index: int) -> str:
        target = columns.targets[index]
        if target:
            count = counts[target - 1]
            return f"only {count} card{'' if count == 1 else 's'} labelled {target}" if rare[target - 1] > 0 else ""
        if not columns.is_predicted[index]:
            return ""
        likeliest = int(columns.probabilities[index].argmax())
        return f"perhaps {with_article(GRADES[likeliest])}, of which {counts[likeliest]} are labelled"

    return _Scored(scores, reason)


def _disagreement(columns: CardColumns) -> _Scored:
    def reason(index: int) -> str:
        row = columns.rows[index]
        return f"labelled {row.lowest:g} and {row.highest:g} by different people" if columns.distances[index] else ""

    return _Scored(columns.distances / GRADE_STEPS, reason)


def _unreviewed(columns: CardColumns) -> _Scored:
    def reason(index: int) -> str:
        row = columns.rows[index]
        if row.is_reviewed:
            return ""
        return "it has no label" if row.label_id is None else "its imported label was never reviewed"

    return _Scored(np.array([not row.is_reviewed for row in columns.rows], np.float64), reason)


_SCORERS: dict[str, Callable[[CardColumns], _Scored]] = {
    "suspect": _suspect,
    "uncertain": _uncertain,
    "rare": _rare,
    "disagreement": _disagreement,
    "unreviewed": _unreviewed,
}
