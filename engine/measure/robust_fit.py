"""Lines through points of which some are wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROUNDS = 12
CUT = 4.0  # Tukey's biweight: beyond this many deviations a point counts for nothing
MAD_TO_DEVIATION = 1.4826


@dataclass(frozen=True)
class Fit:
    """Coefficients of a linear model, how sure they are, and how the points lie around it.

    covariance  (k, k) of the coefficients
    deviation   robust standard deviation of the points around the fit
    support     share of the points that lie within three deviations
    """

    coefficients: np.ndarray
    covariance: np.ndarray
    deviation: float
    support: float

    def at(self, row: np.ndarray) -> float:
        """The model's value at a row of its design."""
        return float(row @ self.coefficients)

    def error_at(self, row: np.ndarray) -> float:
        """Standard error of that value."""
        return float(np.sqrt(max(row @ self.covariance @ row, 0.0)))


def robust_fit(design: np.ndarray, values: np.ndarray, *, least_deviation: float, per_point: float = 1.0) -> Fit:
    """Weighted least squares that stop listening to points far off: Tukey's biweight, from the least absolute start.

    design           (n, k)
    values           (n,); what is not a number is left out
    least_deviation  no point is judged more strictly than this
    per_point        how many independent observations a point is worth: neighbours that err alike are worth less
    returns          a fit without support where there are too few values
    """
    known = np.isfinite(values)
    if known.sum() <= design.shape[1]:
        size = design.shape[1]
        return Fit(np.zeros(size), np.full((size, size), np.inf), np.inf, 0.0)
    x, y = design[known], values[known]
    weight = np.ones(len(y))
    coefficients, deviation = np.zeros(design.shape[1]), np.inf
    for round_ in range(ROUNDS):
        root = np.sqrt(weight)[:, None]
        coefficients = np.linalg.lstsq(x * root, y * root[:, 0], rcond=None)[0]
        residual = np.abs(y - x @ coefficients)
        deviation = max(MAD_TO_DEVIATION * float(np.median(residual)), least_deviation)
        if round_ < ROUNDS // 2:
            weight = 1 / np.maximum(residual, least_deviation)
        else:
            weight = np.clip(1 - (residual / (CUT * deviation)) ** 2, 0, None) ** 2
    normal = (x * weight[:, None]).T @ x * per_point
    covariance = deviation**2 * np.linalg.pinv(normal)
    support = float((residual <= 3 * deviation).sum() / max(len(values), 1))
    return Fit(coefficients, covariance, deviation, support)
