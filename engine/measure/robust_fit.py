"""Robust linear regression: fits that tolerate outliers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Iterations of reweighting: the first half by least absolute deviations, the second by Tukey's biweight.
ITERATIONS = 12
# A point more deviations off than this has no weight. The usual 4.685 has 95 % efficiency for normal errors (Beaton and
# Tukey, Technometrics 16, 1974); 4 was set by hand.
BIWEIGHT_CUTOFF = 4.0
MAD_TO_DEVIATION = 1.4826  # median absolute deviation to standard deviation, for normal errors


@dataclass(frozen=True)
class RobustFit:
    """Coefficients of a linear model, their uncertainty, and the spread of the points around the fit.

    covariance  (k, k) of the coefficients
    deviation   robust standard deviation of the points around the fit
    support     fraction of the points within three deviations
    """

    coefficients: np.ndarray
    covariance: np.ndarray
    deviation: float
    support: float

    def error_at(self, row: np.ndarray) -> float:
        """Standard error of the prediction for a row of the design matrix."""
        return float(np.sqrt(max(row @ self.covariance @ row, 0.0)))


def robust_fit(
    design: np.ndarray, values: np.ndarray, *, min_deviation: float, observations_per_point: float = 1.0
) -> RobustFit:
    """Fit by iteratively reweighted least squares: least absolute deviations first, then Tukey's biweight.

    design                  (n, k)
    values                  (n,); NaN is left out
    min_deviation           lower bound of the deviation that weights are computed from
    observations_per_point  independent observations that a point counts as; below 1 if neighbors' errors correlate
    returns                 a fit with support 0 if there are too few values
    """
    finite = np.isfinite(values)
    if finite.sum() <= design.shape[1]:
        size = design.shape[1]
        return RobustFit(np.zeros(size), np.full((size, size), np.inf), np.inf, 0.0)
    x, y = design[finite], values[finite]
    used = np.flatnonzero(x.any(axis=0))  # a straight line has no curvature
    # Of each point, its part of the normal equations' left and right side; the weighted sum of all is the equations.
    parts = np.concatenate([(x[:, used, None] * x[:, None, used]).reshape(len(y), -1), x[:, used] * y[:, None]], axis=1)
    weight = np.ones(len(y))
    coefficients, deviation = np.zeros(design.shape[1]), np.inf
    for iteration in range(ITERATIONS):
        equations = weight @ parts
        coefficients[used] = _solve(equations[: -len(used)].reshape(len(used), -1), equations[-len(used) :])
        residual = np.abs(y - x @ coefficients)
        deviation = max(MAD_TO_DEVIATION * _median(residual), min_deviation)
        if iteration < ITERATIONS // 2:
            weight = 1 / np.maximum(residual, min_deviation)
        else:
            weight = np.maximum(1 - (residual / (BIWEIGHT_CUTOFF * deviation)) ** 2, 0) ** 2
    normal = (x * weight[:, None]).T @ x * observations_per_point
    covariance = deviation**2 * np.linalg.pinv(normal)
    support = float((residual <= 3 * deviation).sum() / max(len(values), 1))
    return RobustFit(coefficients, covariance, deviation, support)


def _solve(normal: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solution of the normal equations; the shortest one where they have several."""
    try:
        return np.linalg.solve(normal, right)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(normal, right, rcond=None)[0])


def _median(values: np.ndarray) -> float:
    """Median of finite values: that of NumPy without its checks, which cost more than a few dozen values."""
    half = len(values) // 2
    if len(values) % 2:
        return float(np.partition(values, half)[half])
    ordered = np.partition(values, (half - 1, half))
    return float(ordered[half - 1] + ordered[half]) / 2
