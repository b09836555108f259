"""Distribution of the simulated grades, and the noisy labels that an imperfect grader gives them."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.random import Generator

from engine.evaluation.metrics import qwk

GradeMix = Literal["history", "psa", "uniform"]
# Relative frequencies of the grades 1 to 10. "history": counts of the recorded training history. "psa": percent of a
# public list of certificates; its 4 % for the grades 1 to 5 together are split so that each grade is half as frequent
# as the next.
GRADE_COUNTS: dict[GradeMix, tuple[float, ...]] = {
    "history": (87, 23, 32, 176, 294, 547, 889, 1582, 2211, 3983),
    "psa": (4 / 31, 8 / 31, 16 / 31, 32 / 31, 64 / 31, 5, 9, 20, 36, 25),
    "uniform": (1,) * 10,
}


def grade_probabilities(mix: GradeMix) -> np.ndarray:
    """Probability of each grade from 1 to 10, (10,) float64, summing to 1."""
    counts = np.array(GRADE_COUNTS[mix], np.float64)
    return counts / counts.sum()


def draw_grade(random: Generator, mix: GradeMix) -> int:
    """Draw a grade, 1 to 10."""
    return int(random.choice(10, p=grade_probabilities(mix))) + 1


def label_probabilities(noise: float) -> np.ndarray:
    """Probability of each label (column) for a card of each grade (row), (10, 10), rows summing to 1.

    noise  standard deviation of the grader's error, in grades: normally distributed, rounded to a whole grade and
           clipped to 1 .. 10. Worked: 0.5 labels a 5 as a 5 in 68 % of cases.
    """
    if noise == 0:
        return np.eye(10)
    bounds = (-math.inf, *(grade + 0.5 for grade in range(1, 10)), math.inf)
    return np.diff([[NormalDist(grade, noise).cdf(bound) for bound in bounds] for grade in range(1, 11)], axis=1)


def draw_label(random: Generator, grade: int, noise: float) -> int:
    """Draw the label that a grader gives to a card of this grade."""
    return int(random.choice(10, p=label_probabilities(noise)[grade - 1])) + 1


def best_agreement(mix: GradeMix, noise: float) -> dict[str, float]:
    """Agreement of the true grades with the noisy labels: the best any model can reach, over infinitely many cards.

    returns  qwk, exact (fraction of labels equal to the grade), within_one
    """
    joint = grade_probabilities(mix)[:, None] * label_probabilities(noise)
    distance = np.abs(np.subtract.outer(np.arange(10), np.arange(10)))
    kappa = qwk(joint)
    assert kappa is not None  # every mix has more than one grade
    return {"qwk": kappa, "exact": float(joint[distance == 0].sum()), "within_one": float(joint[distance <= 1].sum())}
