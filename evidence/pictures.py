"""Plots for the evidence page: reliability, risk-coverage and confusion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

DARK_BLUE, PALE_BLUE, ORANGE = "#1f4e79", "#c9d6e3", "#b3541e"


def draw_uncertainty(metrics: dict[str, Any], path: Path) -> None:
    """Plot three panels from the output of `evaluate`: reliability, risk-coverage, confusion."""
    figure, panels = plt.subplots(1, 3, figsize=(14, 4.4), layout="constrained")
    _reliability(panels[0], metrics)
    _risk_coverage(panels[1], metrics["risk_coverage"])
    _confusion(panels[2], np.array(metrics["confusion"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _reliability(panel: Axes, metrics: dict[str, Any]) -> None:
    panel.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle="--")
    before = (metrics["uncalibrated"] or {}).get("reliability", [])
    series = ((before, PALE_BLUE, "before calibration"), (metrics["reliability"], DARK_BLUE, "calibrated"))
    for bins, color, name in series:
        filled = [row for row in bins if row["n"]]
        if filled:
            size = [10 + 4 * np.sqrt(row["n"]) for row in filled]
            panel.scatter(
                [row["confidence"] for row in filled], [row["accuracy"] for row in filled], size, color, label=name
            )
    panel.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1), title="Reliability")
    panel.legend(loc="upper left", frameon=False)


def _risk_coverage(panel: Axes, rows: list[dict[str, Any]]) -> None:
    # From the first width that some card has to the first at which all are graded.
    rows = [row for index, row in enumerate(rows) if row["n"] and (index == 0 or rows[index - 1]["n"] < rows[-1]["n"])]
    graded = [row["graded"] for row in rows]
    panel.plot(graded, [row["mae"] for row in rows], "o-", color=DARK_BLUE, label="mean error, grades")
    panel.plot(graded, [row["error"] for row in rows], "s-", color=ORANGE, label="fraction wrong")
    for row in rows:
        panel.annotate(str(row["widest"]), (row["graded"], row["mae"]), xytext=(-4, 7), textcoords="offset points")
    panel.set(
        xlabel="fraction of cards graded",
        xlim=(0, 1.05),
        ylim=(0, 1.2 * max(row["mae"] for row in rows)),
        title="Risk by the widest interval graded",
    )
    panel.legend(loc="upper left", frameon=False)


def _confusion(panel: Axes, counts: np.ndarray) -> None:
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    panel.imshow(fractions, cmap="Blues", vmin=0, vmax=1, extent=(0.5, 10.5, 10.5, 0.5))
    for true, predicted in zip(*np.nonzero(counts), strict=True):
        color = "white" if fractions[true, predicted] > 0.5 else "black"
        panel.text(predicted + 1, true + 1, counts[true, predicted], ha="center", va="center", fontsize=8, color=color)
    panel.set(xlabel="predicted", ylabel="true", xticks=range(1, 11), yticks=range(1, 11), title="Confusion")
