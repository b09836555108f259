"""Cells of the tables on the evidence page: metrics with their intervals, from the steps' JSON files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Column heads by metric name.
METRIC_HEADS = {
    "qwk": "QWK",
    "exact": "exact",
    "within_one": "within one",
    "mae": "MAE",
    "macro_mae": "macro-MAE",
    "auc_9_10": "AUC of 9 and 10",
    "rps": "RPS",
}

Results = dict[str, Any]


def format_estimate(value: float | None, low: float | None, high: float | None) -> str:
    """Format a metric and its interval; empty if undefined."""
    if value is None:
        return ""
    return f"{value:.3f}" + ("" if low is None or high is None else f" ({low:.3f} to {high:.3f})")


def with_interval(metrics: Results, name: str) -> str:
    """Format one metric of the output of `evaluate` with its interval."""
    return format_estimate(metrics[name], metrics[f"{name}_low"], metrics[f"{name}_high"])


def metric_cells(metrics: Results) -> list[str]:
    """Cells of METRIC_HEADS from the output of `evaluate`."""
    return [with_interval(metrics, name) for name in METRIC_HEADS]


def seed_metric_cells(estimates: Results, names: Sequence[str] = (*METRIC_HEADS,)) -> list[str]:
    """Cells of the named metrics from the output of `metrics_over_seeds`."""
    return [format_estimate(*estimates[name]) for name in names]


def difference_cells(row: Results) -> list[str]:
    """A difference with its interval, and its Holm-adjusted p-value, from the output of `qwk_differences`."""
    return [f"{row['delta']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})", f"{row['p_holm']:.3f}"]


def comma_list(values: Sequence[object]) -> str:
    """Values separated by commas."""
    return ", ".join(map(str, values))


def settings_text(settings: Results) -> str:
    """Settings as "name value", separated by commas."""
    return comma_list([f"{name} {value}" for name, value in settings.items()])


def two_decimals(values: Sequence[float | None]) -> list[str]:
    """Format fractions with two decimals; empty for None."""
    return [f"{value:.2f}" if value is not None else "" for value in values]
