"""Cards that must be in one split, for the Dataset tab, with the reasons in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from db import cards
from db.cards import LinkColumns
from db.session import Session
from engine.cards.pairs import CardPair
from labeling.splits import kept_together

MAX_CONFLICTS, MAX_REASONS = 5, 3


def cards_kept_together(session: Session) -> dict[str, Any]:
    """Sets of cards as {ids, split, reasons}, the largest first, and in `conflicts` why a run would be refused."""
    rows = cards.link_columns(session)
    sets, conflicts = kept_together([_pair(row) for row in rows], [row.front_phash for row in rows])
    return {
        "sets": [
            {
                "ids": [rows[index].card_id for index in found.members],
                "split": found.split,
                "reasons": [*found.reasons[:MAX_REASONS], *(["..."] if len(found.reasons) > MAX_REASONS else [])],
            }
            for found in sets
        ],
        "conflicts": [f"{sentence[0].upper()}{sentence[1:]}." for sentence in conflicts[:MAX_CONFLICTS]],
    }


def _pair(row: LinkColumns) -> CardPair:
    front, back = (None if path is None else Path(path) for path in (row.front_path, row.back_path))
    return CardPair(
        row.name,
        front,
        back,
        group=row.group_name,
        split=row.fixed_split,  # type: ignore[arg-type]  # guaranteed by the table's CHECK
        cert=row.cert,
        front_sha256=row.front_sha256 or "",
        back_sha256=row.back_sha256 or "",
    )
