"""The centering ceiling of a graded card as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from db.schema import Side
from engine.cards.grades import with_article
from engine.inference.grade_card import GradedCard
from engine.measure.centering.ceiling import as_sentence, card_ceiling


def ceiling_text(worst: Mapping[Side, float | None], *, graded: GradedCard | None = None) -> str:
    """The centering ceiling of the card in Markdown, and whether the grade takes it into account.

    worst   larger border in percent of both, on each side's worse axis; None if it was not measured
    graded  None: the lines were changed since the card was graded
    """
    grade, reason = card_ceiling(worst, date.today())
    if grade is None:
        return f"### Centering\n{as_sentence(reason)}"
    is_unsure = graded is not None and graded.prediction is not None and graded.ceiling is None
    limit = f"{'may limit' if is_unsure else 'limits'} this card to {with_article(grade)}"
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
    limit = with_article(graded.ceiling.grade)
    return f"The grade above takes into account that more than {limit} is out of reach."
