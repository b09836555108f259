"""How good a set of predictions is: agreement with the given grades, ranking, and calibration. NumPy only.

Grades here are 1 to 10. What is undefined (a split without nines, say) is None, never a made-up number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

CLASSES = 10
INTERVAL = 0.95


def predicted_grades(probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
    """(N, 10) probabilities -> (N,) the most probable grade, 1 to 10."""
    return probabilities.argmax(axis=1) + 1


def confusion(truth: NDArray[np.integer], predicted: NDArray[np.integer]) -> NDArray[np.int64]:
    """Counts by true grade (row) and predicted grade (column), (10, 10)."""
    pairs = (truth - 1) * CLASSES + (predicted - 1)
    return np.bincount(pairs, minlength=CLASSES * CLASSES).reshape(CLASSES, CLASSES)


def qwk(counts: NDArray[np.number]) -> float | None:
    """Quadratic weighted kappa of a (10, 10) confusion: 1 is perfect, 0 chance.

    None where it is undefined: no card, or truth and prediction both constant and equal. Source: Cohen, "Weighted
    kappa", 1968. Worked: truth (1, 1, 10, 10), predicted (1, 10, 10, 10): 0.5.
    """
    total = counts.sum()
    if total == 0:
        return None
    grade = np.arange(CLASSES)
    cost = (grade[:, None] - grade[None, :]) ** 2
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / total
    by_chance = (cost * expected).sum()
    return None if by_chance == 0 else float(1 - (cost * counts).sum() / by_chance)


def bootstrap_qwk(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], groups: list[str], *, draws: int = 1000, seed: int = 0
) -> tuple[float | None, float | None]:
    """95 % interval of QWK, whole groups drawn with replacement, since cards of a group are not independent."""
    names, group = np.unique(np.array(groups), return_inverse=True)
    tables = np.zeros((len(names), CLASSES * CLASSES), dtype=np.int64)
    np.add.at(tables, (group, (truth - 1) * CLASSES + (predicted - 1)), 1)
    if len(names) < 2:
        return None, None
    times = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    drawn = (times.astype(np.float64) @ tables).reshape(draws, CLASSES, CLASSES)
    defined = [value for value in map(qwk, drawn) if value is not None]
    if not defined:
        return None, None
    low, high = np.quantile(defined, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2])
    return float(low), float(high)


def expected_calibration_error(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating], bins: int = 15
) -> float:
    """Mean gap between confidence and hit rate over equal-width bins of confidence, weighted by their size.

    Source: Naeini, Cooper and Hauskrecht, 2015. Worked: confidence .8 on every card and half of them right: .3.
    """
    confidence = probabilities.max(axis=1)
    hit = predicted_grades(probabilities) == truth
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = np.bincount(which, weights=confidence - hit, minlength=bins)
    return float(np.abs(gap).sum() / len(truth))


def auc_9_10(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> float | None:
    """How well tens are ranked above nines by P(10) / (P(9) + P(10)), over the cards that are one of the two.

    The share of (nine, ten) pairs in which the ten has the higher value, a tie counting half (Mann and Whitney, 1947).
    """
    either = truth >= 9
    if len(np.unique(truth[either])) < 2:
        return None
    nine, ten = probabilities[either, 8], probabilities[either, 9]
    share = ten / np.maximum(nine + ten, 1e-12)
    of_nines, of_tens = share[truth[either] == 9], share[truth[either] == 10]
    beaten = np.searchsorted(np.sort(of_nines), of_tens, "left") + np.searchsorted(np.sort(of_nines), of_tens, "right")
    return float(beaten.sum() / (2 * len(of_nines) * len(of_tens)))


def quick_measures(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> dict[str, Any]:
    """The figures that need no bootstrap: qwk, exact, within_one, mae, n."""
    predicted = predicted_grades(probabilities)
    error = np.abs(predicted - truth)
    return {
        "qwk": qwk(confusion(truth, predicted)),
        "exact": float((error == 0).mean()) if len(error) else None,
        "within_one": float((error <= 1).mean()) if len(error) else None,
        "mae": float(error.mean()) if len(error) else None,
        "n": len(truth),
    }


def measure(truth: NDArray[np.integer], probabilities: NDArray[np.floating], groups: list[str]) -> dict[str, Any]:
    """All published figures of N cards.

    truth          (N,) grades 1 to 10
    probabilities  (N, 10), rows summing to 1
    groups         N names; cards of one group are drawn together in the bootstrap
    returns        qwk, qwk_low, qwk_high, exact, within_one, mae, macro_mae, auc_9_10, confusion, ece, n
    """
    predicted = predicted_grades(probabilities)
    error = np.abs(predicted - truth)
    low, high = bootstrap_qwk(truth, predicted, groups)
    by_grade = [error[truth == grade].mean() for grade in range(1, CLASSES + 1) if (truth == grade).any()]
    return {
        **quick_measures(truth, probabilities),
        "qwk_low": low,
        "qwk_high": high,
        "macro_mae": float(np.mean(by_grade)) if by_grade else None,
        "auc_9_10": auc_9_10(truth, probabilities),
        "confusion": confusion(truth, predicted).tolist(),
        "ece": expected_calibration_error(truth, probabilities) if len(truth) else None,
    }
