"""Fit the score table that separates wear from print among surface lines: `python -m tools.fit_surface_scores`.

The data are lines of simulated scans, labelled wear if they follow a scratch or a crease. The model is additive: the
log odds are piecewise linear in each feature, with a few knots, fitted jointly by logistic regression. Prints LOG_ODDS
and BASE_LOG_ODDS in the form of engine/measure/surface/surface.py. The seeds differ from those of `benchmarks measure`.
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.accuracy.measure import SimulatedSide, match_defect, simulated_sides
from engine.measure.side.measure_side import rectify_by_edges
from engine.measure.surface.surface import LOG_ODDS, find_pale_lines, scored_features

CARDS = 150
SEEDS = (501, 503)
WEAR = ("scratch", "crease")


def labelled_lines(side: SimulatedSide) -> list[tuple[dict[str, float], bool]]:
    """Features of each line of a side, and True if it is wear; lines along other defects are left out."""
    flat, _ = rectify_by_edges(side.rgb, side.quad, side.size, side.kind)
    tilt = side.truth.centering.tilt_deg if side.truth.centering else 0.0
    lines = []
    for line in find_pale_lines(flat, print_tilt_deg=tilt):
        index = match_defect(line.points_mm, side.truth.defects)
        kind = None if index is None else side.truth.defects[index].kind
        if kind is None or kind in WEAR:
            lines.append((scored_features(line.features), kind is not None))
    return lines


def hat_basis(values: np.ndarray, knots: tuple[float, ...]) -> np.ndarray:
    """Weight of each knot for each value, (n, knots), linear between two knots."""
    return np.column_stack([np.interp(values, knots, row) for row in np.eye(len(knots))])


def main() -> None:
    """Simulate the cards, fit the table and print it."""
    lines = [line for seed in SEEDS for side in simulated_sides("scan", CARDS, seed) for line in labelled_lines(side)]
    wear = np.array([is_wear for _, is_wear in lines])
    design = [
        hat_basis(np.array([features[name] for features, _ in lines]), knots) for name, (knots, _) in LOG_ODDS.items()
    ]
    fit = LogisticRegression(C=0.3, max_iter=5000).fit(np.hstack(design), wear)
    base, start = float(fit.intercept_[0]), 0
    print(f"# {len(lines)} lines, {int(wear.sum())} of them wear")
    for name, (knots, _) in LOG_ODDS.items():
        log_odds = fit.coef_[0][start : start + len(knots)]
        start += len(knots)
        base += float(log_odds.mean())
        print(f'    "{name}": ({knots}, {tuple(round(float(value - log_odds.mean()), 1) for value in log_odds)}),')
    print(f"BASE_LOG_ODDS = {base:.1f}")


if __name__ == "__main__":
    main()
