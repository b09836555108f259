"""The verdict on a graded card as HTML for the page: the grade, how sure it is, and what limits it.

Every text goes through `html.escape`: file names, model names and model cards are written by others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from html import escape

from app.models.calibration_report import calibration_sentence, range_text
from app.screens.verdict_progress import progress_html
from engine.cards.grades import GRADES, grade_name, with_article
from engine.cards.rubric import centering_ceiling
from engine.inference.card_side import CardSide, card_subgrades
from engine.inference.grade_card import FLAT_SALIENCY, MISSING_SIDE, GradedCard
from engine.inference.model_card import ModelCard
from engine.inference.predict import Prediction
from engine.measure.centering.ceiling import as_sentence, worse_axes
from engine.measure.subgrades.subgrades import Subgrade

KINDS = {"photo": "photo", "scan": "scan", "slab": "in a slab"}
QUALITIES = {"good": "good picture", "usable": "usable picture", "refuse": "picture too poor to grade"}
# A range of this many grades or more says little about the card.
WIDE_RANGE = 6
CANNOT_TELL_TENS = "This model cannot tell a 10 from a 9."
MAX_REASONS = 5
NOTHING_FOUND = "Nothing measured on this card rules out a 10."
NEW_PICTURE = "Take a new picture as said above, then grade the card again."


def verdict_html(graded: GradedCard, *, is_measured: bool = True, to_come: str = "") -> str:
    """The whole verdict.

    is_measured  False: the sub-grades and what limits the grade are left out, since no side is measured yet
    to_come      what is still being computed, if anything
    """
    prediction = graded.prediction
    subgrades = card_subgrades(graded.sides, date.today()) if is_measured and any(graded.sides.values()) else {}
    parts = _refusal(graded) if prediction is None else _grade(graded, prediction)
    if prediction is not None and is_measured:
        parts.append(f'<p class="limit">{escape(limit_sentence(graded, subgrades))}</p>')
    parts += [progress_html(to_come)] if to_come else []
    parts += [_subgrades(subgrades)] if subgrades else []
    if prediction is not None and is_measured and not graded.abstained:
        parts.append(_why_not_better(graded, prediction.grade + 1, subgrades))
    notes = _notes(graded) if prediction is not None else []
    parts += [f"<h3>Good to know</h3>{_list('notes', map(as_sentence, notes))}"] if notes else []
    if prediction is not None:
        parts += [_bars(prediction), *_model_line(graded)]
    facts = _facts(graded, is_measured=is_measured)
    if facts:
        parts.append(f"<details><summary>More about this grade</summary>{_list('facts', facts)}</details>")
    return "".join(parts)


def _grade(graded: GradedCard, prediction: Prediction) -> list[str]:
    """The grade with its name, its range, and the chances of the best grades."""
    name = grade_name(prediction.grade)
    head = f'<h2 class="grade"><strong>{prediction.grade}</strong> <span>{escape(name)}</span></h2>'
    if graded.interval_too_wide:
        head = f"<h2>Not graded: too uncertain</h2><p>Most likely {prediction.grade} {escape(name)}.</p>"
    width = prediction.interval.width
    wide = " <span>That is wide: the grade is a rough guess.</span>" if width >= WIDE_RANGE else ""
    ten, nine_or_better = prediction.probabilities[-1], prediction.probabilities[-2:].sum()
    chances = f"Chance of a 10: {ten:.0%}. Chance of a 9 or better: {nine_or_better:.0%}."
    if graded.model is not None and graded.model.card is not None and not _tells_tens(graded.model.card):
        chances += f" {CANNOT_TELL_TENS}"
    parts = [
        head,
        f'<p class="range">{escape(range_text(prediction.interval, graded.calibration))}{wide}</p>',
        f'<p class="chances">{escape(chances)}</p>',
    ]
    missing = [f"Graded without the {side}: add its picture for a more certain grade." for side in graded.missing_sides]
    return [*parts, *(f'<p class="advice">{escape(sentence)}</p>' for sentence in missing)]


def _refusal(graded: GradedCard) -> list[str]:
    """No grade: the reasons, with their remedies."""
    reasons = [reason for reason in graded.reasons if reason != _caveat(graded)]
    is_poor = any(side is not None and side.quality.verdict == "refuse" for side in graded.sides.values())
    advice = f'<p class="advice">{NEW_PICTURE}</p>' if is_poor else ""
    return ["<h2>No grade</h2>", _list("notes", map(as_sentence, reasons)), advice]


def _tells_tens(card: ModelCard) -> bool:
    """False if the model card's first figures say that 10s and 9s are separated no better than by chance."""
    low = card.measured[0].figures.get("auc_9_10_low")
    return low is None or low > 0.5


def limit_sentence(graded: GradedCard, subgrades: Mapping[str, Subgrade]) -> str:
    """The limit of the grade, in one sentence: "Centering limits this card to a 9: front 58/42." """
    centering, best = _worst_centering(graded)
    if graded.ceiling is not None:
        return f"Centering limits this card to {with_article(graded.ceiling.grade)}: {centering}."
    measured = {name: subgrade.grade for name, subgrade in subgrades.items() if subgrade.grade is not None}
    if not measured:
        return "Nothing could be measured on these pictures, so no reason for the grade can be given."
    worst = min(measured, key=lambda name: measured[name])
    if measured[worst] == GRADES[-1]:
        return NOTHING_FOUND if len(measured) == len(subgrades) else f"{NOTHING_FOUND[:-1]}; not all was measurable."
    if worst == "centering" and best is not None:
        return (
            f"Centering may limit this card to {with_article(best)}: {centering}. The borders were not measured surely "
            "enough to rule out more."
        )
    verb = "is" if worst in ("surface", "centering") else "are"
    return f"{worst.capitalize()} {verb} its weakest point: sub-grade {_with_range(subgrades[worst])}."


def _why_not_better(graded: GradedCard, target: int, subgrades: Mapping[str, Subgrade]) -> str:
    """Whatever was measured that the next better grade does not allow; findings can be pressed to see them."""
    if target > GRADES[-1]:
        return ""
    reasons = []
    if graded.ceiling is not None and graded.ceiling.grade < target:
        centering, _ = _worst_centering(graded)
        reasons.append(f"Centering: {escape(centering)} allows at most {with_article(graded.ceiling.grade)}.")
    for name, subgrade in subgrades.items():
        if subgrade.grade is not None and subgrade.grade < target:
            reasons.append(f"{name.capitalize()}: sub-grade {_with_range(subgrade)}.")
    findings = [
        (10 - finding.grades_lost, name, finding)
        for name, side in graded.sides.items()
        if side is not None
        for finding in side.findings.listed
        if 10 - finding.grades_lost < target
    ]
    findings.sort(key=lambda item: item[0])
    for best, name, finding in findings[:MAX_REASONS]:
        text = f"{name.capitalize()}, {finding.place}: {finding.description}, allows at most {with_article(best)}"
        reasons.append(
            f'<button type="button" data-side="{name}" data-number="{finding.number}">{escape(text)}</button>'
        )
    if len(findings) > MAX_REASONS:
        reasons.append(f"{len(findings) - MAX_REASONS} more findings, below.")
    if not reasons:
        reasons = [
            f"Nothing measured rules out {with_article(target)}; the model's view of the whole card does not reach it."
        ]
    items = "".join(f"<li>{reason}</li>" for reason in reasons)
    return f'<h3>Why not {with_article(target)}?</h3><ul class="why-not">{items}</ul>'


def _worst_centering(graded: GradedCard) -> tuple[str, int | None]:
    """The side whose borders allow least, as in "front 58/42", and the best grade that they allow."""
    percents = worse_axes(graded.centerings)
    if not percents:
        return "", None
    best = {name: centering_ceiling(name, percent, date.today()) for name, percent in percents.items()}
    side = min(best, key=lambda name: (best[name], -percents[name]))
    larger = round(percents[side], 1)
    return f"{side} {larger:g}/{round(100 - larger, 1):g}", best[side]


def _subgrades(subgrades: Mapping[str, Subgrade]) -> str:
    """The four sub-grades with their ranges, or why one is missing."""
    rows = []
    for name, subgrade in subgrades.items():
        value = "not measurable here"
        if subgrade.grade is not None:
            grade, _, range_ = _with_range(subgrade).partition(" ")
            value = f"<strong>{grade}</strong> {range_}"
        reason = f"<small>{escape(as_sentence(subgrade.reason))}</small>" if subgrade.reason else ""
        rows.append(f"<div><dt>{name.capitalize()}</dt><dd>{value}{reason}</dd></div>")
    return f'<h3>Sub-grades, from the measurements alone</h3><dl class="subgrades">{"".join(rows)}</dl>'


def _with_range(subgrade: Subgrade) -> str:
    is_exact = subgrade.low == subgrade.high
    return f"{subgrade.grade}" if is_exact else f"{subgrade.grade} ({subgrade.low} to {subgrade.high})"


def _caveat(graded: GradedCard) -> str | None:
    card = None if graded.model is None else graded.model.card
    return None if card is None else card.caveat


def _notes(graded: GradedCard) -> list[str]:
    """Reasons to doubt the grade and notes on the pictures; what the rest of the verdict says is left out."""
    repeated = {MISSING_SIDE.format(side) for side in graded.missing_sides} | {_caveat(graded), FLAT_SALIENCY}
    if graded.ceiling is not None:
        repeated |= set(graded.ceiling_notes)
    return [reason for reason in graded.reasons if reason not in repeated]


def _bars(prediction: Prediction) -> str:
    """The probability of each grade as ten bars, those in the range in color."""
    highest = max(0.5, float(prediction.probabilities.max()))
    bars = []
    for grade, probability in zip(GRADES, prediction.probabilities, strict=True):
        kind = "inside" if prediction.interval.low <= grade <= prediction.interval.high else "outside"
        percent, height = f"{probability:.0%}", f"{100 * probability / highest:.1f}%"
        bar = f'<span>{percent}</span><i style="height:{height}"></i><b>{grade}</b>'
        bars.append(f'<div role="img" class="{kind}" aria-label="grade {grade}: {percent}">{bar}</div>')
    return f'<h3>Chance of each grade</h3><div class="bars" id="probabilities">{"".join(bars)}</div>'


def _model_line(graded: GradedCard) -> list[str]:
    """Training data of the model and how often it is right, from its model card; nothing for a model without one."""
    card = None if graded.model is None else graded.model.card
    if card is None:
        return []
    sentences = [as_sentence(card.caveat), *(as_sentence(limit.split(";", maxsplit=1)[0]) for limit in card.limits[:1])]
    return [f'<p class="learned">{escape(" ".join(sentences))}</p>']


def _facts(graded: GradedCard, *, is_measured: bool) -> list[str]:
    """Figures for experts, one sentence each."""
    facts = [
        f"{name.capitalize()}: {KINDS[side.detection.kind]}, {QUALITIES[side.quality.verdict]}, "
        f"{side.px_per_mm:.1f} pixels per mm{_size(side) if is_measured else ''}."
        for name, side in graded.sides.items()
        if side is not None
    ]
    if graded.prediction is None:
        return facts
    expected = (
        f"Expected grade {graded.prediction.expected:.1f}: the mean of the ten grades, weighted by their chances."
    )
    facts = [expected, *facts, calibration_sentence(graded.calibration)]
    facts += map(as_sentence, graded.ceiling_notes if graded.ceiling is not None else ())
    if graded.model is not None:
        name, digest, trained_on = graded.model.identity.values()
        facts.append(f"Model {name} ({digest[:12]}), trained on {trained_on}.")
        facts += [] if graded.model.card is None else graded.model.card.limits
    return facts


def _size(side: CardSide) -> str:
    """The size in which the side's millimeters count."""
    size = side.measurements.flat.size
    return f", measured as {size.width_mm:.0f} x {size.height_mm:.0f} mm ({size.name})"


def _list(name: str, sentences: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<ul class="{name}">{items}</ul>' if items else ""
