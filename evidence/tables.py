"""The page's tables: figures with their intervals as the steps keep them, put into Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Of a row, by name as the steps keep it, and its head.
FIGURES = {
    "qwk": "QWK",
    "exact": "exact",
    "within_one": "within one",
    "mae": "MAE",
    "macro_mae": "macro-MAE",
    "auc_9_10": "AUC of 9 and 10",
    "rps": "RPS",
}

Found = dict[str, Any]


def table(heads: Sequence[object], rows: Sequence[Sequence[object]]) -> list[str]:
    """A table in Markdown, and the empty line after it."""
    lines = [heads, ["---"] * len(heads), *rows]
    return [*("| " + " | ".join(map(str, line)) + " |" for line in lines), ""]


def figure(value: float | None, low: float | None, high: float | None) -> str:
    """A figure and its interval; nothing where it is undefined."""
    if value is None:
        return ""
    return f"{value:.3f}" + ("" if low is None or high is None else f" ({low:.3f} to {high:.3f})")


def bounded(figures: Found, name: str) -> str:
    """The figure of that name among what `evaluate` prints, with its interval."""
    return figure(figures[name], figures[f"{name}_low"], figures[f"{name}_high"])


def of_one_model(figures: Found) -> list[str]:
    """A row's FIGURES, from what `evaluate` prints."""
    return [bounded(figures, name) for name in FIGURES]


def of_seeds(figures: Found, names: Sequence[str] = (*FIGURES,)) -> list[str]:
    """A row's figures, from what `over_seeds` gives."""
    return [figure(*figures[name]) for name in names]


def difference(row: Found) -> list[str]:
    """A row's difference with its interval, and its p-value after Holm, from what `differences` gives."""
    return [f"{row['delta']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})", f"{row['p_holm']:.3f}"]


def listed(values: Sequence[object]) -> str:
    """Values after one another."""
    return ", ".join(map(str, values))


def settings(told: Found) -> str:
    """What runs were told."""
    return listed([f"{name} {value}" for name, value in told.items()])


def two_places(values: Sequence[float | None]) -> list[str]:
    """A row of shares."""
    return [f"{value:.2f}" if value is not None else "" for value in values]
