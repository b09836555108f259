"""A comparison of two models in words: whether the new one is good enough, by how much, and on which cards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.markdown import counted, escape, table
from app.models.calibration_report import how_often
from app.models.compare_models import ModelComparison
from engine.evaluation.paired_models import (
    ERROR_MARGIN,
    MIN_CARDS,
    QWK_MARGIN,
    ChangedCard,
    GradeDifference,
    Obstacle,
    PairedDifference,
)

NAMES = {
    "qwk": "Agreement with the labels (QWK)",
    "mae": "Mean error, grades",
    "within_one": "Within one grade",
    "rps": "Ranked probability score (lower is better)",
}


def refusal_reasons(comparison: ModelComparison) -> list[str]:
    """Reasons against replacing the model in use by the candidate, one sentence each; empty if it may."""
    reasons = [_reason(comparison, obstacle) for obstacle in comparison.obstacles]
    if comparison.is_unknown:
        reasons.append(
            "What this model was trained on is not known, so it may have learned from the cards that judge it; promote "
            "a run of this data folder."
        )
    return reasons


def _reason(comparison: ModelComparison, obstacle: Obstacle) -> str:
    differences = {} if comparison.paired is None else comparison.paired.differences
    qwk, error = (_change(differences.get(name)) for name in ("qwk", "mae"))
    cards, promised = counted(comparison.cards), how_often(comparison.nominal_coverage)
    coverage = (comparison.figures or {}).get("coverage") or 0.0
    sentences: dict[Obstacle, str] = {
        "few_cards": f"Only {cards} can judge it: labelled, outside the test split, and learned from by neither model. "
        f"At least {MIN_CARDS} are needed, about a hundred for a sure answer; label more cards.",
        "qwk_undefined": f"The {cards} that can judge it are too much alike; label cards of several grades.",
        "worse": f"It is worse than the model in use: QWK {qwk} on {cards}."
        if qwk
        else f"Its grades on {cards} are no better than chance; train it longer, or on more labels.",
        "perhaps_worse": f"It may be worse than the model in use: on {cards}, QWK {qwk}, and more than {QWK_MARGIN} "
        "lower cannot be excluded; label more cards, so that the difference shows.",
        "error": f"Its mean error may be more than {ERROR_MARGIN} grades higher: {error} on {cards}.",
        "uncalibrated": "Its ranges were never checked, for lack of validation cards; label more cards and train "
        "again.",
        "coverage": f"Its ranges are too narrow: they should contain the true grade {promised} and do for "
        f"{coverage:.0%} of {cards}.",
    }
    return sentences[obstacle]


def _change(difference: PairedDifference | None) -> str:
    """Both values of a metric and their difference with its interval; "" without a model to compare with."""
    if difference is None or difference.delta is None:
        return ""
    bounds = "" if difference.low is None else f" ({difference.low:+.3f} to {difference.high:+.3f})"
    return f"{_figure(difference.reference)} → {_figure(difference.candidate)}, {difference.delta:+.3f}{bounds}"


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def verdict_text(comparison: ModelComparison) -> str:
    """Markdown: may the candidate replace the model in use, and why not."""
    reference = "no model" if comparison.reference is None else f"**{escape(comparison.reference.name)}**, in use"
    head = f"### {escape(comparison.candidate.name.capitalize())} against {reference}"
    left_out = (
        f" {counted(comparison.learned)} left out: one of the two has learned from them." if comparison.learned else ""
    )
    if comparison.passes:
        margin = "" if comparison.paired is None else f": not worse by more than {QWK_MARGIN} in QWK, ranges checked"
        return (
            f"{head}\n\n**It may replace the model in use**{margin}. Judged on {counted(comparison.cards)}.{left_out}"
        )
    reasons = "\n".join(f"- {reason}" for reason in refusal_reasons(comparison))
    return f"{head}\n\n**It should not replace the model in use:**\n\n{reasons}\n\n{left_out.strip()}"


def figures_text(comparison: ModelComparison) -> str:
    """Markdown tables: metrics, error by grade and calibration of both models; "" without a common card."""
    paired = comparison.paired
    if paired is None or comparison.reference is None:
        return ""
    heads = ["", escape(comparison.reference.name), escape(comparison.candidate.name), "difference", "95 %"]
    lines = ["#### Both models on the same cards", ""]
    lines += table(heads, [_row(NAMES[name], difference) for name, difference in paired.differences.items()])
    lines += ["#### Mean error by grade", ""]
    lines += table(["grade", "cards", *heads[1:]], [_grade_row(row) for row in paired.by_grade])
    lines += ["#### Calibration", ""]
    lines += table(heads[:3], calibration_rows(paired.reference, paired.candidate))
    return "\n".join(lines)


def changed_text(changed: Sequence[ChangedCard], worst: int, best: int) -> str:
    """Markdown: how many cards changed their grade, for the better and for the worse."""
    if not changed:
        return "#### Changed cards\n\nBoth models give every card the same grade."
    worse, better = (sum(card.worse * sign > 0 for card in changed) for sign in (1, -1))
    shown = "" if len(changed) <= worst + best else f" Shown: the {worst} worst and the {best} best."
    return (
        f"#### Changed cards\n\n{counted(len(changed))} changed: {better} nearer to the label, {worse} farther from it."
        f"{shown}"
    )


def _row(name: str, difference: PairedDifference) -> Sequence[str]:
    bounds = "" if difference.low is None else f"{difference.low:+.3f} to {difference.high:+.3f}"
    delta = "" if difference.delta is None else f"{difference.delta:+.3f}"
    return [name, _figure(difference.reference), _figure(difference.candidate), delta, bounds]


def _grade_row(row: GradeDifference) -> Sequence[str]:
    return [str(row.grade), str(row.cards), *_row("", row.error)[1:]]


def calibration_rows(reference: dict[str, Any], candidate: dict[str, Any]) -> list[list[str]]:
    """Rows of the table of calibration: the reference, then the candidate."""
    forms = {
        "coverage": ("Cards whose range contains the true grade", ".0%"),
        "mean_width": ("Mean width of the range, grades", ".2f"),
        "ece": ("Calibration error", ".3f"),
    }
    return [
        [text, *(f"{part[name]:{form}}" for part in (reference, candidate))] for name, (text, form) in forms.items()
    ]
