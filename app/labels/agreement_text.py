"""Sentences on the agreement of labelers, for the labeling desk."""

from __future__ import annotations

from app.labels.queue_orders import SECOND_LOOK
from labeling.agreement import Agreement, Agreements

NONE_YET = (
    "No card was graded twice yet. Choose “{entry}” in the list above: it shows a tenth of the labelled cards again, "
    "without their labels."
)


def agreement_sentences(agreements: Agreements) -> list[str]:
    """One sentence for each kind of agreement that can be told."""
    named = (
        ("Different labelers", agreements.between),
        ("The same labeler on another day", agreements.with_oneself),
        ("The model in use, with the first label of these cards", agreements.of_model),
    )
    sentences = [_sentence(who, agreement) for who, agreement in named if agreement]
    return sentences or [NONE_YET.format(entry=SECOND_LOOK)]


def _sentence(who: str, agreement: Agreement) -> str:
    interval = "" if agreement.low is None else f" ({agreement.low:.2f} to {agreement.high:.2f})"
    qwk = "QWK undefined" if agreement.qwk is None else f"QWK {agreement.qwk:.2f}{interval}"
    cards = "1 card" if agreement.n == 1 else f"{agreement.n} cards"
    return f"{who}: {qwk}, the same grade on {agreement.exact:.0%} of {cards}."
