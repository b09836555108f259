"""The page's pictures: whether confidence comes true, what doubt is worth, which grades are taken for which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

INK, PALE, OTHER = "#1f4e79", "#c9d6e3", "#b3541e"


def certainty(figures: dict[str, Any], path: Path) -> None:
    """Three panels from what `evaluate` prints: reliability, risk-coverage, confusion."""
    picture, panels = plt.subplots(1, 3, figsize=(14, 4.4), layout="constrained")
    _reliability(panels[0], figures)
    _risk(panels[1], figures["risk_coverage"])
    _confusion(panels[2], np.array(figures["confusion"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(path, dpi=110)
    plt.close(picture)


def _reliability(panel: Axes, figures: dict[str, Any]) -> None:
    panel.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle="--")
    before = (figures["uncalibrated"] or {}).get("reliability", [])
    for bins, colour, name in ((before, PALE, "before calibration"), (figures["reliability"], INK, "as it is told")):
        seen = [each for each in bins if each["n"]]
        if seen:
            size = [10 + 4 * np.sqrt(each["n"]) for each in seen]
            panel.scatter(
                [each["confidence"] for each in seen], [each["accuracy"] for each in seen], size, colour, label=name
            )
    panel.set(xlabel="confidence", ylabel="came true", xlim=(0, 1), ylim=(0, 1), title="Reliability")
    panel.legend(loc="upper left", frameon=False)


def _risk(panel: Axes, rows: list[dict[str, Any]]) -> None:
    # From the first width that some card has to the first at which all are graded.
    told = [row for place, row in enumerate(rows) if row["n"] and (place == 0 or rows[place - 1]["n"] < rows[-1]["n"])]
    panel.plot(
        [row["graded"] for row in told], [row["mae"] for row in told], "o-", color=INK, label="mean error, grades"
    )
    panel.plot([row["graded"] for row in told], [row["error"] for row in told], "s-", color=OTHER, label="share wrong")
    for row in told:
        panel.annotate(str(row["widest"]), (row["graded"], row["mae"]), xytext=(-4, 7), textcoords="offset points")
    panel.set(
        xlabel="cards graded",
        xlim=(0, 1.05),
        ylim=(0, 1.2 * max(row["mae"] for row in told)),
        title="Risk by the widest interval graded",
    )
    panel.legend(loc="upper left", frameon=False)


def _confusion(panel: Axes, counts: np.ndarray) -> None:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=1, extent=(0.5, 10.5, 10.5, 0.5))
    for true, said in zip(*np.nonzero(counts), strict=True):
        colour = "white" if shares[true, said] > 0.5 else "black"
        panel.text(said + 1, true + 1, counts[true, said], ha="center", va="center", fontsize=8, color=colour)
    panel.set(xlabel="told", ylabel="true", xticks=range(1, 11), yticks=range(1, 11), title="Confusion")
