"""A graded card as Markdown: the verdict, and what the centering limits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from app.markdown import details, escape
from app.models.calibration_report import calibration_sentence, range_text
from app.models.grading_model import model_sentence
from db.schema import Side
from engine.cards.grades import grade_name
from engine.inference.card_side import card_subgrades
from engine.inference.grade_card import MISSING_SIDE, GradedCard
from engine.measure.centering.ceiling import as_sentence, card_ceiling
from engine.measure.subgrades.subgrades import Subgrade

KINDS = {"photo": "photo", "scan": "scan", "slab": "in a slab"}
VERDICTS = {"good": "good picture", "usable": "usable picture", "refuse": "picture too poor to grade"}


def verdict_text(graded: GradedCard) -> str:
    """The grade and its range, with the reasons and notes on the pictures, in Markdown."""
    prediction = graded.prediction
    # On the page the request for the missing side, below, is enough.
    repeated = {MISSING_SIDE.format(side) for side in graded.missing_sides}
    reasons = "\n".join(f"- {escape(as_sentence(reason))}" for reason in graded.reasons if reason not in repeated)
    sides = [_side_lines(graded)] if any(graded.sides.values()) else []
    measured = [subgrades_text(card_subgrades(graded.sides, date.today()))] if sides else []
    if prediction is None:
        facts = details("About the pictures", [_resolutions(graded)]) if sides else []
        return "\n\n".join([f"## No grade\n{reasons}", *measured, *sides, "\n".join(facts)])
    grade = f"{prediction.grade} {grade_name(prediction.grade)}"
    lines = [f"## Not graded: too uncertain\nMost likely {grade}." if graded.interval_too_wide else f"## {grade}"]
    lines.append(range_text(prediction.interval, graded.calibration))
    lines += [f"Graded without the {side}: add its picture for a more certain grade." for side in graded.missing_sides]
    facts = [
        f"Expected grade {prediction.expected:.1f}: the mean of the ten grades, weighted by their probabilities.",
        *([model_sentence(graded.model)] if graded.model else []),
        calibration_sentence(graded.calibration),
        _resolutions(graded),
    ]
    return "\n\n".join([*lines, *measured, reasons, *sides, "\n".join(details("About this grade", facts))])


def subgrades_text(subgrades: Mapping[str, Subgrade]) -> str:
    """The four sub-grades in one sentence, and why some are missing: "Centering 9, corners 7 (5 to 8), ..."."""
    graded = [f"{name} {_with_range(subgrade)}" for name, subgrade in subgrades.items() if subgrade.grade is not None]
    missing = [
        f"{name} not measurable here ({subgrade.reason})"
        for name, subgrade in subgrades.items()
        if subgrade.grade is None
    ]
    return f"**Sub-grades, from the measurements alone:** {escape(', '.join([*graded, *missing]))}."


def _with_range(subgrade: Subgrade) -> str:
    is_exact = subgrade.low == subgrade.high
    return f"{subgrade.grade}" if is_exact else f"{subgrade.grade} ({subgrade.low} to {subgrade.high})"


def _side_lines(graded: GradedCard) -> str:
    """One sentence per side: the kind of picture and its quality."""
    return " ".join(
        f"{name.capitalize()}: {KINDS[side.detection.kind]}, {VERDICTS[side.quality.verdict]}."
        for name, side in graded.sides.items()
        if side is not None
    )


def _resolutions(graded: GradedCard) -> str:
    """Resolution of each picture, in one sentence."""
    resolutions = [f"{name} {side.px_per_mm:.1f}" for name, side in graded.sides.items() if side is not None]
    return f"Pixels per mm: {', '.join(resolutions)}."


def ceiling_text(worst: Mapping[Side, float | None], *, graded: GradedCard | None = None) -> str:
    """The centering ceiling of the card in Markdown, and whether the grade takes it into account.

    worst   larger border in percent of both, on each side's worse axis; None if it was not measured
    graded  None: the lines were changed since the card was graded
    """
    grade, reason = card_ceiling(worst, date.today())
    if grade is None:
        return f"### Centering\n{as_sentence(reason)}"
    limit = f"limits this card to {'an' if grade == 8 else 'a'} {grade}"
    head = f"Centering {'allows a 10' if grade == 10 else limit}"
    effect = "" if grade == 10 else f" {_effect_of_ceiling(graded)}"
    return f"### {head}\n{as_sentence(reason)}{effect}"


def _effect_of_ceiling(graded: GradedCard | None) -> str:
    if graded is None:
        return "Press **Grade** to apply this limit to the grade."
    if graded.prediction is None:
        return "There is no grade to which this limit applies."
    if graded.ceiling is None:
        return "The grade above does not take this limit into account: the borders were not measured surely enough."
    limit = f"{'an' if graded.ceiling.grade == 8 else 'a'} {graded.ceiling.grade}"
    return f"The grade above takes into account that more than {limit} is out of reach."
