"""Second look: a sample of the cards that someone else has labelled is graded again without seeing the first label."""

from __future__ import annotations

import hashlib

from db.label_queue import labelers_by_card
from db.session import Session

SAMPLE_FRACTION = 0.1


def cards_to_look_at_again(session: Session, *, author: str) -> set[int]:
    """Row ids of the cards of the sample that exactly one other person has labelled, and `author` has not."""
    labelers = labelers_by_card(session)
    return {
        card_id for card_id, names in labelers.items() if len(names) == 1 and author not in names and in_sample(card_id)
    }


def in_sample(card_id: int) -> bool:
    """True for one card in ten, the same ones on every day and for every labeler."""
    position = int.from_bytes(hashlib.sha256(f"second look {card_id}".encode()).digest()[:8]) / 2**64
    return position < SAMPLE_FRACTION
