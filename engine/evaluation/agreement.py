"""How far two forms of one model agree, card by card: as trained and with rounded weights, or by another runtime."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.evaluation.metrics import confusion, predicted_grades, qwk
from engine.evaluation.predictions import Predictions


def agreement(full: Predictions, other: Predictions) -> dict[str, Any]:
    """The figures of two sets of predictions on the same N cards; plain values, undefined ones None.

    equal_grades        share of cards that both give the same grade
    largest_difference  of any of the 10 N probabilities
    mean_difference     of all of them, without sign
    qwk_full, qwk       of the first and of the second, against the cards' own grades
    """
    if full.cards != other.cards:
        raise ValueError("two sets of predictions can only be compared on the same cards in the same order")
    grades = [predicted_grades(said.probabilities) for said in (full, other)]
    difference = np.abs(full.probabilities - other.probabilities)
    return {
        "cards": len(full.cards),
        "equal_grades": float((grades[0] == grades[1]).mean()),
        "largest_difference": float(difference.max()),
        "mean_difference": float(difference.mean()),
        "qwk_full": qwk(confusion(full.truth, grades[0])),
        "qwk": qwk(confusion(other.truth, grades[1])),
    }
