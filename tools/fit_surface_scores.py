"""python -m tools.fit_surface_scores: fit the table by which a line on the surface is told to be wear or print.

Lines of simulated scans, each wear if it follows a scratch or a crease. The table is additive: for each thing a line
shows, log odds at a few knots and straight lines between them, fitted together by logistic regression. Prints SCORES
and BASE as engine/measure/surface/surface.py holds them; other seeds than those of `benchmarks measure`.
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.accuracy.measure import Side, matching, simulated
from engine.measure.side.measure_side import lay_by_edges
from engine.measure.surface.surface import SCORES, shown_by, traced_lines

CARDS = 150
SEEDS = (501, 503)
WEAR = ("scratch", "crease")


def lines_of(side: Side) -> list[tuple[dict[str, float], bool]]:
    """What each line of a side shows, and whether it is wear; lines along other defects are left out."""
    flat, _ = lay_by_edges(side.rgb, side.quad, side.size, side.kind)
    tilt = side.truth.centering.tilt_deg if side.truth.centering else 0.0
    lines = []
    for line in traced_lines(flat, print_tilt_deg=tilt):
        index = matching(line.points_mm, side.truth.defects)
        kind = None if index is None else side.truth.defects[index].kind
        if kind is None or kind in WEAR:
            lines.append((shown_by(line.trace), kind is not None))
    return lines


def hats(values: np.ndarray, knots: tuple[float, ...]) -> np.ndarray:
    """(n, knots) how much each knot counts for each value, linear between two of them."""
    return np.column_stack([np.interp(values, knots, row) for row in np.eye(len(knots))])


def main() -> None:
    """Draw, look, fit, print."""
    lines = [line for seed in SEEDS for side in simulated("scan", CARDS, seed) for line in lines_of(side)]
    wear = np.array([is_wear for _, is_wear in lines])
    design = [hats(np.array([shown[name] for shown, _ in lines]), knots) for name, (knots, _) in SCORES.items()]
    fit = LogisticRegression(C=0.3, max_iter=5000).fit(np.hstack(design), wear)
    base, begin = float(fit.intercept_[0]), 0
    print(f"# {len(lines)} lines, {int(wear.sum())} of them wear")
    for name, (knots, _) in SCORES.items():
        points = fit.coef_[0][begin : begin + len(knots)]
        begin += len(knots)
        base += float(points.mean())
        print(f'    "{name}": ({knots}, {tuple(round(float(point - points.mean()), 1) for point in points)}),')
    print(f"BASE = {base:.1f}")


if __name__ == "__main__":
    main()
