"""A model's card as lines of Markdown, for the report on a model."""

from __future__ import annotations

from engine.inference.model_card import Card, figure

TOLD = ("qwk", "exact", "within_one", "mae", "macro_mae", "auc_9_10", "ece", "coverage")


def card_lines(card: Card) -> list[str]:
    """The whole card, headed."""
    changes = ", ".join(f"{key} = {value}" for key, value in card.changes.items()) or "none"
    lines = ["", "## Card", "", f"Learned from {card.learned_from} alone.", ""]
    lines += [f"- {sentence}" for sentence in card.data]
    lines += [f"- Recipe `{card.recipe}`; changes: {changes}", f"- Licence of what it learned from: {card.licence}"]
    lines += ["", "What it does not know:", "", *(f"- {limit}" for limit in card.limits)]
    lines += [
        "",
        "Measured on cards that it has not learned from; in brackets 95 % intervals over groups of cards:",
        "",
    ]
    lines += [
        f"- {said.on}: {', '.join(figure(said.figures, name) for name in TOLD if name in said.figures)}; "
        f"n = {said.figures['n']}"
        for said in card.measured
    ]
    said = card.agreement
    lines += [
        f"- Its stored weights against full precision, on {said['cards']} cards: the same grade on "
        f"{said['equal_grades']:.1%}; a probability differs by {said['largest_difference']:.4f} at most and "
        f"{said['mean_difference']:.5f} on average; QWK {said['qwk']:.4f} against {said['qwk_full']:.4f}"
    ]
    return [*lines, "", "Made by:", "", "```", *card.commands, "```", ""]
