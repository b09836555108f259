"""Order of the labeling queue by what a label of each card is worth, with the reasons in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from db import label_queue, predictions
from db.label_queue import LabelFacts
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


NO_HISTORY = LabelFacts(is_labelled=False, is_reviewed=False, low=None, high=None)

Scores = dict[int, tuple[float, str]]  # by row id: score and reason, "" for none


@dataclass(frozen=True)
class QueueEntry:
    """A card of the queue: its row id and name, its score, 0 .. 1, and the reasons for it."""

    row_id: int
    card_id: str
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class RankedQueue:
    """The cards in an order that stays as it was when it was chosen, while labels are given."""

    entries: Sequence[QueueEntry]

    def reasons(self, row_id: int) -> tuple[str, ...]:
        """Reasons for the place of a card; () for a card that is not in the queue."""
        entry = self._by_id.get(row_id)
        return () if entry is None else entry.reasons

    @cached_property
    def _by_id(self) -> dict[int, QueueEntry]:
        return {entry.row_id: entry for entry in self.entries}


@dataclass(frozen=True)
class _Known:
    """Name, training target and label history of a card, and the model's probabilities or why it has none."""

    name: str
    target: int | None
    facts: LabelFacts
    probabilities: np.ndarray | None
    problem: str


def ranking(session: Session, by: QueueBy, model_sha256: str | None) -> list[QueueEntry]:
    """All cards outside the bin, the most worth a label first; equal ones by id.

    model_sha256  the model whose predictions count, None without one: then no card is suspect or uncertain
    """
    known = _known_cards(session, model_sha256)
    scored = {order: _SCORERS[order](known) for order in MIXED_WEIGHTS if by in (order, "mixed")}
    entries = []
    for row_id, card in known.items():
        weighted = [(1.0 if by == order else MIXED_WEIGHTS[order], *scores[row_id]) for order, scores in scored.items()]
        reasons = [reason for _, score, reason in sorted(weighted, key=lambda part: -part[0] * part[1]) if reason]
        score = sum(weight * score for weight, score, _ in weighted)
        entries.append(QueueEntry(row_id, card.name, round(score, 4), tuple(reasons)))
    return sorted(entries, key=lambda entry: (-entry.score, entry.row_id))


def _known_cards(session: Session, model_sha256: str | None) -> dict[int, _Known]:
    predicted = {} if model_sha256 is None else predictions.predictions_of(session, model_sha256=model_sha256)
    facts = label_queue.label_facts(session)
    known = {}
    for row_id, (name, grade, qualifier) in label_queue.current_grades(session).items():
        target = training_target(grade, qualifier)
        stored, problem = predicted.get(row_id, (None, ""))
        known[row_id] = _Known(
            name,
            target if isinstance(target, int) else None,
            facts.get(row_id, NO_HISTORY),
            None if stored is None else np.frombuffer(stored, np.float64),
            problem,
        )
    return known


def _suspect(known: Mapping[int, _Known]) -> Scores:
    scores: Scores = {
        row_id: (0.0, f"not scored: {card.problem}" if card.problem else "") for row_id, card in known.items()
    }
    chosen = {row_id: card for row_id, card in known.items() if card.target and card.probabilities is not None}
    if chosen:
        probabilities = np.stack([card.probabilities for card in chosen.values() if card.probabilities is not None])
        grades = np.array([card.target for card in chosen.values()])
        for row_id, score, grade, distribution in zip(
            chosen, suspicion(probabilities, grades), grades, probabilities, strict=True
        ):
            expected = float(distribution @ GRADES)
            near = float(distribution[max(grade - 2, 0) : grade + 1].sum())
            reason = (
                f"labelled {grade}, but the model expects {expected:.1f} and gives {with_article(int(grade))} or a "
                f"grade next to it {near:.0%}"
            )
            scores[row_id] = (float(score), reason if score >= MIN_SUSPICION else "")
    return scores


def _uncertain(known: Mapping[int, _Known]) -> Scores:
    scores: Scores = dict.fromkeys(known, (0.0, ""))
    chosen = {row_id: card.probabilities for row_id, card in known.items() if card.probabilities is not None}
    if chosen:
        for row_id, score in zip(chosen, uncertainty(np.stack(list(chosen.values()))), strict=True):
            low, high = central_range(chosen[row_id])
            scores[row_id] = (float(score), f"the model is unsure: anything from {low} to {high}")
    return scores


def _rare(known: Mapping[int, _Known]) -> Scores:
    counted = Counter(card.target for card in known.values() if card.target)
    counts = np.array([counted[grade] for grade in GRADES])
    rare = rarity(counts)
    scores: Scores = {}
    for row_id, card in known.items():
        if card.target:
            count = counted[card.target]
            reason = f"only {count} card{'' if count == 1 else 's'} labelled {card.target}"
            scores[row_id] = (float(rare[card.target - 1]), reason if rare[card.target - 1] > 0 else "")
        elif card.probabilities is not None:
            likeliest = int(card.probabilities.argmax())
            reason = f"perhaps {with_article(GRADES[likeliest])}, of which {counted[GRADES[likeliest]]} are labelled"
            scores[row_id] = (float(card.probabilities @ rare), reason)
        else:
            scores[row_id] = (0.0, "")
    return scores


def _disagreement(known: Mapping[int, _Known]) -> Scores:
    scores: Scores = {}
    for row_id, card in known.items():
        low, high = card.facts.low, card.facts.high
        distance = 0.0 if low is None or high is None else high - low
        reason = f"labelled {low:g} and {high:g} by different people" if distance else ""
        scores[row_id] = (distance / GRADE_STEPS, reason)
    return scores


def _unreviewed(known: Mapping[int, _Known]) -> Scores:
    scores: Scores = {}
    for row_id, card in known.items():
        reason = "its imported label was never reviewed" if card.facts.is_labelled else "it has no label"
        scores[row_id] = (0.0, "") if card.facts.is_reviewed else (1.0, reason)
    return scores


_SCORERS = {
    "suspect": _suspect,
    "uncertain": _uncertain,
    "rare": _rare,
    "disagreement": _disagreement,
    "unreviewed": _unreviewed,
}
