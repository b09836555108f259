"""A calibration as JSON, as a sentence and as tables."""

from __future__ import annotations

from dataclasses import asdict
from fractions import Fraction
from typing import Any

from engine.cards.grades import GRADES
from engine.evaluation.calibration import Calibration
from engine.evaluation.intervals import Interval

UNCALIBRATED = "This model is not calibrated: its probabilities and its range are the network's own word."


def in_short(calibration: Calibration) -> dict[str, Any]:
    """What the commands print of it; its figures stand elsewhere."""
    return {
        "temperature": calibration.temperature,
        "coverage": calibration.coverage,
        "widest": calibration.widest,
        "cards": calibration.cards,
        "groups": calibration.groups,
        "on": calibration.on,
        "pools": [asdict(pool) for pool in calibration.pools],
    }


def how_often(coverage: float) -> str:
    """A frequency as people say it: .9 is "9 times in 10", .95 "19 times in 20"."""
    share = Fraction(coverage).limit_denominator(100)
    return f"{share.numerator} times in {share.denominator}"


def grades(low: int, high: int) -> str:
    """One grade, or the first and the last."""
    return str(low) if low == high else f"{low} to {high}"


def sentence(calibration: Calibration | None) -> str:
    """On what it was learned, or that there is none."""
    if calibration is None:
        return UNCALIBRATED
    groups = "" if calibration.groups == calibration.cards else f" in {calibration.groups} groups"
    return f"Calibrated on {calibration.cards} cards{groups}: {calibration.on}."


def range_text(interval: Interval, calibration: Calibration | None) -> str:
    """What may be said of where the true grade lies, with how much that rests on."""
    if calibration is None:
        span = f"on {interval.low}" if interval.width == 1 else f"between {interval.low} and {interval.high}"
        return f"{interval.coverage:.0%} of the probability lies {span}. {UNCALIBRATED}"
    within = grades(interval.low, interval.high)
    often = how_often(interval.coverage)
    return f"Of cards like those it was calibrated on, {often} the true grade lies in {within}. {sentence(calibration)}"


def tables(calibration: Calibration) -> str:
    """The calibration in Markdown: what it changes, and what its certainty came to on cards left aside."""
    measured = calibration.measured
    limit = (
        "no card is left ungraded for its width"
        if calibration.widest == len(GRADES)
        else f"a card whose interval spans more than {calibration.widest} grades is not graded"
    )
    lines = [f"{sentence(calibration)} Temperature {calibration.temperature:.3f}; {limit}.", ""]
    if measured is None:
        return "\n".join([*lines, "They are too few to say what this calibration does on others.", ""])
    before = measured["uncalibrated"]
    own = ", ".join(grades(pool.low, pool.high) for pool in calibration.pools)
    lines += [
        "Measured on these same cards, each by what the others taught:",
        "",
        f"- Intervals that shall hold the grade {how_often(calibration.coverage)} held it in "
        f"{measured['coverage']:.1%}{_bounds(measured, 'coverage', '.1%')}; their mean width is "
        f"{measured['mean_width']:.2f} grades.",
        f"- Calibration error {measured['ece']:.4f} (before: {before['ece']:.4f}), log loss {measured['nll']:.4f} "
        f"(before: {before['nll']:.4f}).",
        f"- Area under the risk-coverage curve, in grades: {measured['aurc']:.4f}{_bounds(measured, 'aurc', '.4f')}.",
        "",
        f"Grades that are calibrated together, where one alone has too few cards: {own}."
        if len(calibration.pools) < len(GRADES)
        else "Every grade is calibrated by cards of its own.",
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
    """How often intervals held the true grade, grade by grade."""
    lines = ["| true grade | cards | held | 95 % |", "|---|---|---|---|"]
    for row in rows:
        low, high = row["coverage_low"], row["coverage_high"]
        bounds = "" if low is None or high is None else f"{low:.1%} to {high:.1%}"
        held = "" if row["coverage"] is None else f"{row['coverage']:.1%}"
        lines.append(f"| {grades(row['grades'][0], row['grades'][-1])} | {row['n']} | {held} | {bounds} |")
    return [*lines, ""]


def risk_table(rows: list[dict[str, Any]]) -> list[str]:
    """What is graded, and how wrong it is, by the widest interval that is still graded."""
    lines = ["| graded up to a width of | cards graded | mean error, grades | wrong |", "|---|---|---|---|"]
    for row in rows:
        if row["n"]:
            lines.append(f"| {row['widest']} | {row['graded']:.1%} | {row['mae']:.3f} | {row['error']:.1%} |")
        if row["n"] == rows[-1]["n"]:
            break  # no card has a wider range
    return [*lines, ""]


def reliability_table(rows: list[dict[str, Any]]) -> list[str]:
    """How often what is said with a confidence comes true."""
    lines = ["| confidence | cards | said | came true |", "|---|---|---|---|"]
    lines += [
        f"| {row['from']:.2f} to {row['to']:.2f} | {row['n']} | {row['confidence']:.1%} | {row['accuracy']:.1%} |"
        for row in rows
        if row["n"]
    ]
    return [*lines, ""]
