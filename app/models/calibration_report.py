"""Calibration of a model as JSON, as a sentence and as Markdown tables."""

from __future__ import annotations

import math
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from app.markdown import escape, table
from engine.cards.grades import GRADES
from engine.evaluation.calibration import Calibration
from engine.evaluation.conformal import Interval, Pool

UNCALIBRATED = "The range of this model has not been checked; take it as a rough guess."


def calibration_summary(calibration: Calibration) -> dict[str, Any]:
    """The part of a calibration that the commands print, without its measured figures."""
    return {
        "temperature": calibration.temperature,
        "coverage": calibration.coverage,
        "widest": calibration.widest,
        "cards": calibration.cards,
        "groups": calibration.groups,
        "on": calibration.on,
        "pools": [_pool(pool) for pool in calibration.pools],
    }


def _pool(pool: Pool) -> dict[str, Any]:
    """A pool for JSON, which has no infinity: no threshold means that the range is all grades."""
    return {**asdict(pool), "threshold": pool.threshold if math.isfinite(pool.threshold) else None}


def how_often(coverage: float) -> str:
    """Coverage as a frequency: .9 is "9 times in 10", .95 is "19 times in 20"."""
    fraction = Fraction(coverage).limit_denominator(100)
    return f"{fraction.numerator} times in {fraction.denominator}"


def grade_range(low: int, high: int) -> str:
    """A range of grades as text: "8", or "7 to 9"."""
    return str(low) if low == high else f"{low} to {high}"


def calibration_sentence(calibration: Calibration | None) -> str:
    """The cards a model was calibrated on, or a warning that it is not calibrated."""
    if calibration is None:
        return UNCALIBRATED
    groups = "" if calibration.groups == calibration.cards else f" in {calibration.groups} groups"
    return f"Calibrated on {calibration.cards} cards{groups}: {calibration.on}."


def range_text(interval: Interval, calibration: Calibration | None) -> str:
    """The prediction interval in words: "90 % range: 7 to 9."; with a warning if the model is not calibrated."""
    text = f"{100 * interval.coverage:.4g} % range: {grade_range(interval.low, interval.high)}."
    return f"{text} {UNCALIBRATED}" if calibration is None else text


def calibration_tables(calibration: Calibration) -> str:
    """Calibration in Markdown: temperature, interval limit, and cross-validated uncertainty metrics."""
    measured = calibration.measured
    limit = (
        "every card is graded, however wide its range"
        if calibration.widest == len(GRADES)
        else f"a card whose range spans more than {calibration.widest} grades is not graded"
    )
    lines = [f"{escape(calibration_sentence(calibration))} Temperature {calibration.temperature:.3f}; {limit}.", ""]
    if measured is None:
        return "\n".join([*lines, "Too few cards to measure how well this calibration works on other cards.", ""])
    before = measured["uncalibrated"]
    pools = ", ".join(grade_range(pool.low, pool.high) for pool in calibration.pools)
    lines += [
        "Measured on these cards by cross-validation:",
        "",
        f"- Ranges meant to contain the true grade {how_often(calibration.coverage)} contained it in "
        f"{measured['coverage']:.1%}{_bounds(measured, 'coverage', '.1%')} of cards; their mean width is "
        f"{measured['mean_width']:.2f} grades.",
        f"- Calibration error {measured['ece']:.4f} (before: {before['ece']:.4f}), log loss {measured['nll']:.4f} "
        f"(before: {before['nll']:.4f}).",
        f"- Area under the risk-coverage curve, in grades: {measured['aurc']:.4f}{_bounds(measured, 'aurc', '.4f')}.",
        "",
        f"Grades with too few cards are calibrated together: {pools}."
        if len(calibration.pools) < len(GRADES)
        else "Each grade is calibrated separately.",
        "",
        *coverage_table(measured["coverage_by_grade"]),
        *risk_table(measured["risk_coverage"]),
        *reliability_table(measured["reliability"]),
    ]
    return "\n".join(lines)


def _bounds(measured: dict[str, Any], name: str, form: str) -> str:
    low, high = measured[f"{name}_low"], measured[f"{name}_high"]
    return "" if low is None or high is None else f" (95 %: {low:{form}} to {high:{form}})"


def coverage_table(rows: list[dict[str, Any]]) -> list[str]:
    """Interval coverage by true grade, as a Markdown table."""
    cells = []
    for row in rows:
        low, high = row["coverage_low"], row["coverage_high"]
        bounds = "" if low is None or high is None else f"{low:.1%} to {high:.1%}"
        coverage = "" if row["coverage"] is None else f"{row['coverage']:.1%}"
        cells.append((grade_range(row["grades"][0], row["grades"][-1]), row["n"], coverage, bounds))
    return table(["true grade", "cards", "covered", "95 %"], cells)


def risk_table(rows: list[dict[str, Any]]) -> list[str]:
    """Risk-coverage curve as a Markdown table, by the widest range that is still graded."""
    cells = []
    for row in rows:
        if row["n"]:
            cells.append((row["widest"], f"{row['graded']:.1%}", f"{row['mae']:.3f}", f"{row['error']:.1%}"))
        if row["n"] == rows[-1]["n"]:
            break  # no card has a wider range
    return table(["graded up to a width of", "cards graded", "mean error, grades", "wrong"], cells)


def reliability_table(rows: list[dict[str, Any]]) -> list[str]:
    """Accuracy by confidence bin, as a Markdown table."""
    cells = [
        (f"{row['from']:.2f} to {row['to']:.2f}", row["n"], f"{row['confidence']:.1%}", f"{row['accuracy']:.1%}")
        for row in rows
        if row["n"]
    ]
    return table(["confidence", "cards", "mean confidence", "accuracy"], cells)
