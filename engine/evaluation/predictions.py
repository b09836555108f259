"""What a model said of each card, kept beside it: so that two models can be compared card by card. Free of torch."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.cards.pairs import CardPair
from engine.errors import BadInput
from engine.evaluation.metrics import CLASSES, intervals
from engine.storage.atomic import aside

FILE = "predictions.csv"
COLUMNS = ("card_id", "group", "grade", *(f"p{grade}" for grade in range(1, CLASSES + 1)))


class BadPredictions(BadInput):
    """A file of predictions that is not there or cannot be read; the message names it and the remedy."""


class Graded(Protocol):
    """A card and its class, 1 to 10."""

    @property
    def pair(self) -> CardPair:
        """The card."""

    @property
    def grade(self) -> int:
        """The class."""


@dataclass(frozen=True)
class Predictions:
    """The ten probabilities of N cards.

    cards          N names
    groups         N names of groups
    truth          (N,) grades 1 to 10
    probabilities  (N, 10)
    """

    cards: tuple[str, ...]
    groups: tuple[str, ...]
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @classmethod
    def of(cls, cards: Sequence[Graded], probabilities: NDArray[np.floating]) -> Predictions:
        """The probabilities of cards in their order."""
        return cls(
            tuple(card.pair.card_id for card in cards),
            tuple(card.pair.group_key for card in cards),
            np.array([card.grade for card in cards], np.int64),
            probabilities.astype(np.float64),
        )

    @classmethod
    def together(cls, parts: Iterable[Predictions]) -> Predictions:
        """Several sets of cards as one."""
        parts = list(parts)
        return cls(
            tuple(chain.from_iterable(part.cards for part in parts)),
            tuple(chain.from_iterable(part.groups for part in parts)),
            np.concatenate([part.truth for part in parts]),
            np.concatenate([part.probabilities for part in parts]),
        )

    def of_cards(self, cards: Sequence[str]) -> Predictions:
        """Those of some cards, in their order; raises KeyError for a card without one."""
        place = {card: number for number, card in enumerate(self.cards)}
        return self.chosen([place[card] for card in cards])

    def chosen(self, places: Sequence[int] | NDArray[np.integer]) -> Predictions:
        """Those at some places, counted from 0, in that order."""
        cards, groups = (tuple(names[place] for place in places) for names in (self.cards, self.groups))
        return Predictions(cards, groups, self.truth[places], self.probabilities[places])


def write(path: Path, predictions: Predictions) -> None:
    """Write them: the file is at every moment the old one or the whole new one."""
    rows = zip(predictions.cards, predictions.groups, predictions.truth, predictions.probabilities, strict=True)
    with aside(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([card, group, grade, *(f"{value:.9g}" for value in row)] for card, group, grade, row in rows)


def read(path: Path) -> Predictions:
    """Read what `write` wrote. Raises BadPredictions."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        truth = np.array([int(row["grade"]) for row in rows], np.int64)
        probabilities = np.array([[float(row[name]) for name in COLUMNS[3:]] for row in rows]).reshape(-1, CLASSES)
        return Predictions(
            tuple(row["card_id"] for row in rows), tuple(row["group"] for row in rows), truth, probabilities
        )
    except OSError as error:
        raise BadPredictions(
            f"{path}: holds no predictions ({error.strerror}); give what evaluate --predictions has written, or a run "
            "that has finished an epoch with this version"
        ) from error
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise BadPredictions(f"{path}: is no file of predictions that this version has written") from error


def keep(folder: Path, cards: Sequence[Graded], probabilities: NDArray[np.floating]) -> dict[str, Any]:
    """Write a run's validation predictions at its saved epoch; returns the intervals of the figures."""
    predictions = Predictions.of(cards, probabilities)
    write(folder / FILE, predictions)
    return intervals(predictions.truth, predictions.probabilities, predictions.groups)
