"""Sensitivity of the measurements to each constant of a module of engine/measure, on simulated scans.

python -m tools.constant_sensitivity wear.bare_stock wear.edges    prints a Markdown table for docs/decisions/0011

Each constant is multiplied by .8 and by 1.25 and the scans are measured again; the table gives the figures as they are,
and the largest change of each by either factor. None of the scans is one that a constant was chosen on.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import typer

from app.markdown import table
from benchmarks.accuracy.measure import SimulatedSide, bare_at_corner, bare_at_edge, rank_correlation, simulated_sides
from engine.measure.card_edges import CardEdge
from engine.measure.centering.centering import MeasuredCentering, NoCentering, measure_centering
from engine.measure.flat_card import FlatCard
from engine.measure.side.measure_side import _measure_rim, rectify_by_edges

CARDS, SEED = 8, 31_415
FACTORS = (0.8, 1.25)
MIN_AREA_MM2 = 0.2

Scan = tuple[SimulatedSide, FlatCard, list[CardEdge], MeasuredCentering | NoCentering]


def centering_figures(scans: Sequence[Scan]) -> dict[str, float]:
    """Share of bordered sides that are refused, and the median error of the others in percentage points."""
    errors, refused = [], []
    for side, card, edges, _ in scans:
        centering, truth = measure_centering(card, edges), side.truth.centering
        if truth is not None:
            refused.append(isinstance(centering, NoCentering))
            if isinstance(centering, MeasuredCentering):
                errors += [abs(centering.lr - truth.worst_lr), abs(centering.tb - truth.worst_tb)]
    return {"refused": float(np.mean(refused)), "median error, points": float(np.median(errors))}


def wear_figures(scans: Sequence[Scan]) -> dict[str, float]:
    """Share of corners and edges that are read, and how well their bare stock in mm2 agrees with the truth."""
    pairs: list[tuple[float | None, float]] = []
    for side, card, edges, centering in scans:
        corners, edge_wear, _ = _measure_rim(card, edges, centering, None)
        pairs += [(corner.whitening_mm2, bare_at_corner(side, i)) for i, corner in enumerate(corners)]
        pairs += [(edge.area_mm2, bare_at_edge(side, i)) for i, edge in enumerate(edge_wear)]
    read = np.array([pair for pair in pairs if pair[0] is not None], float)
    large = read[read[:, 1] > MIN_AREA_MM2]
    return {
        "read": len(read) / len(pairs),
        "rank correlation": rank_correlation(read),
        "median area error": float(np.median(np.abs(large[:, 0] / large[:, 1] - 1))),
    }


def constants(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Names and values of the numbers and tuples of numbers that a module defines."""
    for name, value in vars(module).items():
        values = value if isinstance(value, tuple) else (value,)
        if name.isupper() and all(isinstance(number, int | float) for number in values):
            yield name, value


def scaled(value: Any, factor: float) -> Any:
    """A constant times a factor; whole numbers change by one at least and stay whole."""
    if isinstance(value, tuple):
        return tuple(scaled(number, factor) for number in value)
    if isinstance(value, int):
        return max(1, round(value * factor), value + 1 if factor > 1 else 1)
    return value * factor


def main(modules: list[str]) -> None:
    """Print a table for modules of one package, centering or wear, named relative to engine.measure."""
    measure = wear_figures if modules[0].startswith("wear.") else centering_figures
    scans: list[Scan] = []
    for side in simulated_sides("scan", CARDS, SEED):
        card, edges = rectify_by_edges(side.rgb, side.quad, side.size, side.kind)
        scans.append((side, card, edges, measure_centering(card, edges)))
    before = measure(scans)
    print(
        "\n".join(
            table([f"{len(scans)} scans", "", *before], [("as it is", "", *map("{:.3f}".format, before.values()))])
        )
    )
    rows = []
    for module in (importlib.import_module(f"engine.measure.{name}") for name in modules):
        for name, value in list(constants(module)):
            changes = []
            for factor in FACTORS:
                setattr(module, name, scaled(value, factor))
                changes.append([after - before[figure] for figure, after in measure(scans).items()])
            setattr(module, name, value)
            largest = [max(change, key=abs) for change in zip(*changes, strict=True)]
            rows.append((name, value, *(f"{change:+.3f}" if abs(change) >= 5e-4 else "" for change in largest)))
            print(*rows[-1], sep="  ", flush=True)
    print("\n".join(table(["constant", "value", *before], rows)))


if __name__ == "__main__":
    typer.run(main)
