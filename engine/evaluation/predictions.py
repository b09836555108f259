"""Predictions of a model on a set of cards, stored as CSV to compare models card by card. Free of torch."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.cards.grades import GRADES
from engine.cards.pairs import CardPair
from engine.cards.table import MAX_TABLE_BYTES, defuse_formula, without_apostrophe, write_table
from engine.errors import BadInput
from engine.evaluation.metrics import CLASSES, metric_intervals
from engine.evaluation.strata import Given
from engine.paths import unreadable_reason

FILE_NAME = "predictions.csv"
COLUMNS = ("card_id", "group", "grade", *(f"p{grade}" for grade in range(1, CLASSES + 1)))


MAX_SUM_ERROR = 1e-6  # nine digits a probability are written


class BadPredictions(BadInput):
    """A file of predictions that is missing or cannot be read; the message names it and the remedy."""


class HasGrade(Protocol):
    """A card with its class, 1 to 10."""

    @property
    def pair(self) -> CardPair:
        """Card pair."""

    @property
    def grade(self) -> int:
        """Class, 1 to 10."""


@dataclass(frozen=True)
class Predictions:
    """Predicted probabilities of N cards.

    cards          N card ids
    groups         N group names
    truth          (N,) true grades, 1 to 10
    probabilities  (N, 10)
    given          what is given of each card; empty: both sides of all. Not stored in files
    """

    cards: tuple[str, ...]
    groups: tuple[str, ...]
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    given: tuple[Given, ...] = ()

    @classmethod
    def from_cards(
        cls, cards: Sequence[HasGrade], probabilities: NDArray[np.floating], given: Sequence[Given] = ()
    ) -> Predictions:
        """Create from cards, their (N, 10) probabilities and what is given of them, in the same order."""
        return cls(
            tuple(card.pair.card_id for card in cards),
            tuple(card.pair.group_key for card in cards),
            np.array([card.grade for card in cards], np.int64),
            probabilities.astype(np.float64),
            tuple(given),
        )

    @classmethod
    def concatenate(cls, parts: Iterable[Predictions]) -> Predictions:
        """Concatenate the predictions of several sets of cards."""
        parts = list(parts)
        return cls(
            tuple(chain.from_iterable(part.cards for part in parts)),
            tuple(chain.from_iterable(part.groups for part in parts)),
            np.concatenate([part.truth for part in parts]),
            np.concatenate([part.probabilities for part in parts]),
            tuple(chain.from_iterable(part.given for part in parts)),
        )

    def select_cards(self, cards: Sequence[str]) -> Predictions:
        """Select by card id, in the given order; raises KeyError for an unknown card."""
        position = {card: index for index, card in enumerate(self.cards)}
        return self.select([position[card] for card in cards])

    def select(self, positions: Sequence[int] | NDArray[np.integer]) -> Predictions:
        """Select by position, counted from 0, in the given order."""
        cards, groups = (tuple(names[position] for position in positions) for names in (self.cards, self.groups))
        given = tuple(self.given[position] for position in positions) if self.given else ()
        return Predictions(cards, groups, self.truth[positions], self.probabilities[positions], given)


def write(path: Path, predictions: Predictions) -> None:
    """Write the predictions to a CSV file atomically."""
    rows = zip(predictions.cards, predictions.groups, predictions.truth, predictions.probabilities, strict=True)
    cells = (
        [defuse_formula(card), defuse_formula(group), grade, *(f"{value:.9g}" for value in row)]
        for card, group, grade, row in rows
    )
    write_table(path, COLUMNS, cells)


def read(path: Path) -> Predictions:
    """Read a file written by `write`. Raises BadPredictions."""
    try:
        if reason := unreadable_reason(path, MAX_TABLE_BYTES):
            raise BadPredictions(f"{path}: {reason}")
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        truth = np.array([int(row["grade"]) for row in rows], np.int64)
        probabilities = np.array([[float(row[name]) for name in COLUMNS[3:]] for row in rows]).reshape(-1, CLASSES)
        _require_probabilities(truth, probabilities)
        return Predictions(
            tuple(without_apostrophe(row["card_id"]) for row in rows),
            tuple(without_apostrophe(row["group"]) for row in rows),
            truth,
            probabilities,
        )
    except BadPredictions:
        raise
    except OSError as error:
        raise BadPredictions(
            f"{path}: no predictions can be read ({error.strerror}); give a file written by evaluate --predictions, or "
            "a run with at least one finished epoch"
        ) from error
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise BadPredictions(
            f"{path}: is not a predictions file; give a file written by evaluate --predictions"
        ) from error


def _require_probabilities(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> None:
    """Raise ValueError unless every grade is on the scale and every row is ten probabilities whose sum is 1."""
    in_range = np.isin(truth, GRADES).all() and ((probabilities >= 0) & (probabilities <= 1)).all()
    if not in_range or (np.abs(probabilities.sum(axis=1) - 1) > MAX_SUM_ERROR).any():
        raise ValueError("not grades and probabilities")


def write_validation(folder: Path, cards: Sequence[HasGrade], probabilities: NDArray[np.floating]) -> dict[str, Any]:
    """Write a run's validation predictions at its saved epoch; returns the intervals of the metrics."""
    predictions = Predictions.from_cards(cards, probabilities)
    write(folder / FILE_NAME, predictions)
    return metric_intervals(predictions.truth, predictions.probabilities, predictions.groups)
