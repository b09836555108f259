"""Model card section of the model report, in Markdown."""

from __future__ import annotations

from app.markdown import code_block, escape
from engine.config import current_names
from engine.inference.model_card import ModelCard, format_metric

METRICS = ("qwk", "exact", "within_one", "mae", "macro_mae", "auc_9_10", "ece", "coverage")


def card_lines(card: ModelCard) -> list[str]:
    """The model card as Markdown lines, with a heading."""
    changes = ", ".join(f"{key} = {value}" for key, value in current_names(card.changes).items()) or "none"
    lines = ["", "## Card", "", f"Trained only on {escape(card.learned_from)}.", ""]
    lines += [f"- {escape(sentence)}" for sentence in card.data]
    lines += [f"- Recipe {escape(card.recipe)}; changes: {escape(changes)}"]
    lines += [f"- License of the training data: {escape(card.licence)}"]
    lines += ["", "Limits:", "", *(f"- {escape(limit)}" for limit in card.limits)]
    lines += [
        "",
        "Measured on held-out cards; in brackets 95 % intervals over groups of cards:",
        "",
    ]
    lines += [
        f"- {escape(result.on)}: "
        f"{', '.join(format_metric(result.figures, name) for name in METRICS if name in result.figures)}; "
        f"n = {result.figures['n']}"
        for result in card.measured
    ]
    agreement = card.agreement
    lines += [
        f"- Stored weights compared with full precision, on {agreement['cards']} cards: the same grade on "
        f"{agreement['equal_grades']:.1%}; a probability differs by {agreement['largest_difference']:.4f} at most and "
        f"{agreement['mean_difference']:.5f} on average; QWK {agreement['qwk']:.4f} versus {agreement['qwk_full']:.4f}"
    ]
    return [*lines, "", "Commands that made it:", "", *code_block(card.commands), ""]
