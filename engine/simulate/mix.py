"""Which grades are drawn how often, and how a grader who errs labels them."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.random import Generator

from engine.evaluation.metrics import qwk

Mix = Literal["history", "psa", "uniform"]
# Grades 1 to 10. History: its own counts. PSA: a public list of its certificates, in percent, where grades up to 5
# share four percent, here halved from grade to grade.
COUNTS: dict[Mix, tuple[float, ...]] = {
    "history": (87, 23, 32, 176, 294, 547, 889, 1582, 2211, 3983),
    "psa": (4 / 31, 8 / 31, 16 / 31, 32 / 31, 64 / 31, 5, 9, 20, 36, 25),
    "uniform": (1,) * 10,
}


def shares(mix: Mix) -> np.ndarray:
    """How often each grade from 1 to 10 is drawn, (10,) float64, summing to 1."""
    counts = np.array(COUNTS[mix], np.float64)
    return counts / counts.sum()


def draw_grade(random: Generator, mix: Mix) -> int:
    """One grade, 1 to 10."""
    return int(random.choice(10, p=shares(mix))) + 1


def label_chances(noise: float) -> np.ndarray:
    """How often a card of a grade (row) gets a label (column), (10, 10) with rows summing to 1.

    noise  standard deviation of the grader's judgement, in grades: it errs normally, is rounded to a whole grade and
           held to 1 .. 10. Worked: .5 labels a 5 as a 5 in 68 % of cases.
    """
    if noise == 0:
        return np.eye(10)
    bounds = np.array([-math.inf, *(grade + 0.5 for grade in range(1, 10)), math.inf])
    below = np.array([[_normal(float(bound - grade) / noise) for bound in bounds] for grade in range(1, 11)])
    return np.diff(below, axis=1)


def draw_label(random: Generator, grade: int, noise: float) -> int:
    """The label that a grader gives to a card of that grade."""
    return int(random.choice(10, p=label_chances(noise)[grade - 1])) + 1


def best_agreement(mix: Mix, noise: float) -> dict[str, float]:
    """What a perfect judge of the grade reaches against such labels, over a collection without end.

    returns  qwk, exact (share of labels that are the grade), within_one
    """
    joint = shares(mix)[:, None] * label_chances(noise)
    apart = np.abs(np.subtract.outer(np.arange(10), np.arange(10)))
    reached = qwk(joint)
    assert reached is not None  # every mix holds more than one grade
    return {"qwk": reached, "exact": float(joint[apart == 0].sum()), "within_one": float(joint[apart <= 1].sum())}


def _normal(x: float) -> float:
    """The standard normal distribution up to x."""
    return 0.5 * math.erfc(-x / math.sqrt(2))
