"""Second look: a sample of the labelled cards is graded again, without seeing the first label."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from itertools import groupby

from db.label_queue import labelings, reviewed_cards
from db.session import Session

SAMPLE_FRACTION = 0.1
# A labeler looks at his own cards again when he has forgotten them.
OWN_CARDS_AFTER = timedelta(days=1)


def cards_to_look_at_again(session: Session, *, author: str, now: datetime) -> set[int]:
    """Row ids of the cards of the sample that one person alone has labelled, and no one blind.

    The cards of `author` are among them from a day after his label on.
    """
    again = set()
    sample = [card_id for card_id in reviewed_cards(session) if in_sample(card_id)]
    for card_id, of_card in groupby(labelings(session, card_ids=sample), lambda labeling: labeling.card_id):
        given = list(of_card)
        labelers, last = {labeling.author for labeling in given}, max(labeling.created_at for labeling in given)
        is_due = labelers != {author} or now - last >= OWN_CARDS_AFTER
        if len(labelers) == 1 and is_due and not any(labeling.blind for labeling in given):
            again.add(card_id)
    return again


def in_sample(card_id: int) -> bool:
    """True for one card in ten, the same ones on every day and for every labeler."""
    position = int.from_bytes(hashlib.sha256(f"second look {card_id}".encode()).digest()[:8]) / 2**64
    return position < SAMPLE_FRACTION
