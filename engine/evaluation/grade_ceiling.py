"""Condition predicted grades on a ceiling: grades that are out of reach lose their probability to the others.

A measured centering can rule grades out that the network still considers. The update is Bayes' rule for the event
"the grade is at most the ceiling": the probabilities of the grades in reach are divided by their sum. Properties, for
every card whose true grade is in reach:

- the log loss never rises, because no grade in reach loses probability;
- the odds between grades in reach stay, so that a ceiling never raises the predicted or the expected grade;
- a conformal interval clipped to the ceiling still contains the true grade if it did before: its coverage holds.

NumPy only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.cards.grades import GRADES
from engine.evaluation.conformal import narrowest_intervals
from engine.evaluation.metrics import predicted_grades
from engine.evaluation.uncertainty import MIN_PROBABILITY, CalibratedPredictions

# Share of sure ceilings that are wrong. On real pictures 8 of 58 by the rule of 2025 are below the grade that the card
# has; the rule before, under which many of these cards were graded, explains 5 of them and leaves 3.
WRONG_CEILINGS = 0.05


def is_credible(probabilities: NDArray[np.floating], ceilings: NDArray[np.integer]) -> NDArray[np.bool_]:
    """(N,) True if a measured ceiling is more probably right than wrong, given the (N, 10) probabilities.

    By Bayes' rule a right ceiling has the weight (1 - w) x P(grade <= ceiling), a wrong one w, with w the share of
    wrong ceilings. Worked: with w = .05 the grades in reach must have a probability of .053 or more.
    """
    in_reach = np.where(np.array(GRADES) <= ceilings[:, None], probabilities, 0.0).sum(axis=1)
    return np.asarray((1 - WRONG_CEILINGS) * in_reach >= WRONG_CEILINGS)


def condition_on_ceiling(probabilities: NDArray[np.floating], ceilings: NDArray[np.integer]) -> NDArray[np.float64]:
    """Probabilities of N cards, (N, 10), given that each grade is at most the card's ceiling, (N,) 1 to 10.

    Worked: (.., .1 on 7, .3 on 8, .2 on 9, .4 on 10) with ceiling 9: 1/6 on 7, 1/2 on 8, 1/3 on 9; the expected grade
    falls from 8.9 to 8.17. A card without any probability in reach gets all of it on its ceiling.
    """
    in_reach = np.where(np.array(GRADES) <= ceilings[:, None], probabilities.astype(np.float64), 0.0)
    total = in_reach.sum(axis=1, keepdims=True)
    on_ceiling = np.eye(len(GRADES))[ceilings - 1]
    return np.divide(in_reach, total, out=on_ceiling, where=total >= MIN_PROBABILITY)


def apply_ceilings(
    predictions: CalibratedPredictions, ceilings: NDArray[np.integer], *, is_calibrated: bool
) -> CalibratedPredictions:
    """Condition the predictions of N cards on their ceilings, (N,) 1 to 10; intervals follow.

    is_calibrated  True: the intervals are conformal, and are clipped to the ceiling; if all their grades are out of
                   reach, or the new predicted grade is below them, they are extended down to it. False: they are the
                   narrowest with enough probability, and are computed again

    Worked, calibrated: interval 8 to 10, ceiling 9: 8 to 9; interval 9 to 10, ceiling 8, new predicted grade 8: 8 to 8.
    """
    probabilities = condition_on_ceiling(predictions.probabilities, ceilings)
    coverage = predictions.coverage
    if not is_calibrated:
        return CalibratedPredictions(probabilities, *narrowest_intervals(probabilities, coverage), coverage)
    low = np.minimum(predictions.low, predicted_grades(probabilities))
    return CalibratedPredictions(probabilities, low, np.minimum(predictions.high, ceilings), coverage)
