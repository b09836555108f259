"""`queue`: the cards whose labels matter most, best first, with reasons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.labels.score_cards import score_cards
from app.settings import DataFolder
from app.terminal import ProgressMeter, stop_on_signal
from db.session import Database
from labeling.ranking import BY_LABELS_ALONE, QueueBy, RankedQueue


def run(data: DataFolder, by: QueueBy, limit: int | None) -> list[dict[str, Any]]:
    """As `ranked_cards`; after Ctrl-C by the predictions so far. The next call computes the rest."""
    meter = ProgressMeter()
    with stop_on_signal() as is_stopped:
        return ranked_cards(data, by, limit, lambda done, total: meter("cards", done, total), is_stopped)


def ranked_cards(
    data: DataFolder,
    by: QueueBy,
    limit: int | None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> list[dict[str, Any]]:
    """Compute the missing predictions, then rank the cards: returns [{card_id, score, reasons}], best first."""
    with Database.open(data.database, backup_dir=data.backups) as database:
        model_sha256 = None if by in BY_LABELS_ALONE else score_cards(database, data, progress, is_stopped)
        with database.reading() as session:
            ranked = RankedQueue(session, by, model_sha256)
    return [
        {"card_id": entry.card_id, "score": entry.score, "reasons": list(entry.reasons)}
        for entry in ranked.entries(limit)
    ]
