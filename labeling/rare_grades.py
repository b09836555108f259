"""Cards whose labels would help a grade that has too few."""

from __future__ import annotations

import numpy as np

from db.session import Session
from labeling.ranking import card_columns


def cards_of_rare_grade(session: Session, grade: int, *, model_sha256: str | None) -> list[int]:
    """Row ids of the cards that no person has labelled and that may be of a grade, the most probable ones first.

    These are the cards that the model takes for the grade, and those whose imported label is the grade; equal ones by
    id. `model_sha256` is the model whose predictions count, None for none.
    """
    columns = card_columns(session, model_sha256)
    is_open = np.array([not row.is_reviewed for row in columns.rows], bool)
    is_predicted = columns.is_predicted & (columns.probabilities.argmax(axis=1) == grade - 1)
    chosen = np.flatnonzero(is_open & (is_predicted | (columns.targets == grade)))
    best_first = chosen[np.argsort(-columns.probabilities[chosen, grade - 1], kind="stable")]
    return [columns.rows[index].card_id for index in best_first]
