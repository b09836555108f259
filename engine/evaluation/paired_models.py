"""Comparison of two models on the same cards, and the test that a model must pass to replace another. NumPy only.

A model is compared by what the program shows: its calibrated probabilities and ranges. Groups of cards are resampled
together, with the same draws for both models, so that their common difficulty cancels out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.cards.grades import GRADES
from engine.evaluation.bootstrap import GroupSums, bootstrap_counts, group_indices, percentile_interval, sums_of_cards
from engine.evaluation.comparison import common_cards
from engine.evaluation.metrics import GRADE_DISTANCES, MetricSums, card_sums, metrics_from_sums, number_or_none, ratio
from engine.evaluation.predictions import Predictions
from engine.evaluation.uncertainty import CalibratedPredictions, uncertainty_metrics

PAIRED_METRICS = ("qwk", "mae", "within_one", "rps")
# A model that is worse by no more than this is not called worse: retraining with another seed changes about as much.
QWK_MARGIN = 0.05
ERROR_MARGIN = 0.2  # grades
MIN_CARDS = 10

Obstacle = Literal["few_cards", "qwk_undefined", "worse", "perhaps_worse", "error", "uncalibrated", "coverage"]


@dataclass(frozen=True)
class CardAnswers:
    """Answers of a model on N labelled cards.

    cards          names, groups, true grades and calibrated probabilities
    low, high      (N,) prediction intervals, grades
    coverage       nominal coverage of the intervals
    is_calibrated  False: the intervals were fitted on no held-out cards
    """

    cards: Predictions
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    coverage: float
    is_calibrated: bool

    def select_cards(self, names: Sequence[str]) -> CardAnswers:
        """The answers on some cards, in the given order."""
        place = {name: index for index, name in enumerate(self.cards.cards)}
        rows = np.array([place[name] for name in names], np.int64)
        return CardAnswers(self.cards.select(rows), self.low[rows], self.high[rows], self.coverage, self.is_calibrated)

    @property
    def grades(self) -> NDArray[np.int64]:
        """(N,) predicted grades."""
        return self._shown.grades

    @property
    def figures(self) -> dict[str, Any]:
        """Metrics of these cards, and coverage, width and reliability of the ranges, each as in `uncertainty`."""
        cards = self.cards
        metrics = metrics_from_sums(sums_of_cards(card_sums(cards.truth, cards.probabilities)))
        names = (*PAIRED_METRICS, "exact", "ece")
        return {
            **{name: number_or_none(metrics[name]) for name in names},
            **uncertainty_metrics(cards.truth, self._shown, cards.groups),
        }

    @property
    def _shown(self) -> CalibratedPredictions:
        return CalibratedPredictions(self.cards.probabilities, self.low, self.high, self.coverage)


@dataclass(frozen=True)
class PairedDifference:
    """A metric of both models and its difference, candidate minus reference, with a 95 % interval; None: undefined."""

    candidate: float | None
    reference: float | None
    delta: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class GradeDifference:
    """Mean absolute error, in grades, of both models on the cards of one true grade."""

    grade: int
    cards: int
    error: PairedDifference


@dataclass(frozen=True)
class ChangedCard:
    """A card that the two models grade differently; `worse` is by how many grades the candidate errs more."""

    card_id: str
    truth: int
    candidate: int
    reference: int
    worse: int


@dataclass(frozen=True)
class PairedModels:
    """Two models on the cards that both answered.

    differences           by metric: qwk, mae, within_one, rps
    by_grade              of the grades that occur
    changed               the worst first
    candidate, reference  figures of each as `CardAnswers.figures`
    """

    cards: int
    groups: int
    differences: dict[str, PairedDifference]
    by_grade: list[GradeDifference]
    changed: list[ChangedCard]
    candidate: dict[str, Any]
    reference: dict[str, Any]


def compare_answers(candidate: CardAnswers, reference: CardAnswers) -> PairedModels:
    """Compare two models on the cards with the same label in both. Raises NoCommonCards."""
    names = common_cards([candidate.cards, reference.cards])
    candidate, reference = candidate.select_cards(names), reference.select_cards(names)
    sums = [card_sums(answers.cards.truth, answers.cards.probabilities) for answers in (candidate, reference)]
    group_of, groups = group_indices(candidate.cards.groups)
    drawn = [_drawn_metrics(part, group_of, groups) for part in sums]
    values = [_metrics(sums_of_cards(part)) for part in sums]
    differences = {name: _difference([value[name] for value in values], drawn, name) for name in PAIRED_METRICS}
    return PairedModels(
        cards=len(names),
        groups=groups,
        differences=differences,
        by_grade=list(_by_grade(candidate.cards.truth, values, drawn)),
        changed=_changed_cards(candidate, reference),
        candidate=candidate.figures,
        reference=reference.figures,
    )


def obstacles(candidate: CardAnswers, paired: PairedModels | None) -> list[Obstacle]:
    """Reasons against using the candidate in place of the reference; empty if there are none.

    paired  the comparison with the model in use; None without one, when the candidate must only beat chance

    few_cards      fewer than ten cards
    qwk_undefined  as on cards of one grade
    worse          the QWK is lower by more than the margin
    perhaps_worse  it is not, but the lower end of the interval is
    error          the upper end of the difference in mean error exceeds its margin
    uncalibrated   no range was fitted on held-out cards
    coverage       the ranges contain the true grade less often than they should, beyond chance
    """
    figures = candidate.figures if paired is None else paired.candidate
    found: list[Obstacle] = []
    if len(candidate.cards.cards) < MIN_CARDS or (paired is not None and paired.cards < MIN_CARDS):
        found.append("few_cards")
    elif paired is None:
        if figures["qwk"] is None:
            found.append("qwk_undefined")
        elif figures["qwk"] <= 0:
            found.append("worse")
    else:
        found += _not_shown_as_good(paired)
    if not candidate.is_calibrated:
        found.append("uncalibrated")
    elif figures["coverage_high"] is not None and figures["coverage_high"] < candidate.coverage:
        found.append("coverage")
    return found


def _not_shown_as_good(paired: PairedModels) -> Iterator[Obstacle]:
    qwk, error = paired.differences["qwk"], paired.differences["mae"]
    if qwk.delta is None or qwk.low is None:
        yield "qwk_undefined"
    elif qwk.delta < -QWK_MARGIN:
        yield "worse"
    elif qwk.low < -QWK_MARGIN:
        yield "perhaps_worse"
    elif error.high is not None and error.high > ERROR_MARGIN:
        yield "error"


def _metrics(sums: MetricSums) -> dict[str, NDArray[np.float64]]:
    """Metrics by name, and `error_of_grade`, (..., 10): the mean absolute error of each true grade."""
    tables = sums.confusion
    error_of_grade = ratio((tables * GRADE_DISTANCES).sum(axis=-1), tables.sum(axis=-1))
    return {**metrics_from_sums(sums), "error_of_grade": error_of_grade}


def _drawn_metrics(
    cards: MetricSums, group_of: NDArray[np.integer], groups: int
) -> dict[str, NDArray[np.float64]] | None:
    """The metrics in each bootstrap draw, (draws, ...); None with a single group, which gives no interval."""
    if groups < 2:
        return None
    sums = GroupSums(cards, group_of, groups)
    parts = [_metrics(sums.of_draws(counts)) for counts in bootstrap_counts(groups)]
    return {name: np.concatenate([part[name] for part in parts]) for name in (*PAIRED_METRICS, "error_of_grade")}


def _difference(
    values: Sequence[NDArray[np.float64]],
    drawn: Sequence[dict[str, NDArray[np.float64]] | None],
    name: str,
    column: int | None = None,
) -> PairedDifference:
    """The difference in a metric; `column` selects a grade of `error_of_grade`."""
    candidate, reference = drawn
    low, high = None, None
    if candidate is not None and reference is not None:
        columns = slice(None) if column is None else (slice(None), column)
        low, high = percentile_interval(candidate[name][columns] - reference[name][columns])
    of_candidate, of_reference = (number_or_none(value) for value in values)
    delta = None if of_candidate is None or of_reference is None else of_candidate - of_reference
    return PairedDifference(of_candidate, of_reference, delta, low, high)


def _by_grade(
    truth: NDArray[np.integer],
    values: Sequence[dict[str, NDArray[np.float64]]],
    drawn: Sequence[dict[str, NDArray[np.float64]] | None],
) -> Iterator[GradeDifference]:
    for index, grade in enumerate(GRADES):
        if cards := int((truth == grade).sum()):
            errors = [value["error_of_grade"][index] for value in values]
            yield GradeDifference(grade, cards, _difference(errors, drawn, "error_of_grade", index))


def _changed_cards(candidate: CardAnswers, reference: CardAnswers) -> list[ChangedCard]:
    rows = zip(
        candidate.cards.cards,
        candidate.cards.truth.tolist(),
        candidate.grades.tolist(),
        reference.grades.tolist(),
        strict=True,
    )
    changed = [
        ChangedCard(card, truth, new, old, abs(new - truth) - abs(old - truth)) for card, truth, new, old in rows
    ]
    return sorted(
        (card for card in changed if card.candidate != card.reference),
        key=lambda card: (-card.worse, -abs(card.candidate - card.reference), card.card_id),
    )
