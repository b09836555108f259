"""Report of a run's best epoch: recall by grade and the confusion matrix, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from app.markdown import table
from app.runs.history_report import best_epoch
from db.schema import Epoch
from engine.cards.grades import GRADES


def epoch_report(epochs: Sequence[Epoch]) -> str:
    """Recall and confusion of the epoch whose model the run saved, of those grades that occur; "" without one."""
    best = best_epoch(epochs)
    if best is None or "confusion" not in best.metrics:
        return ""
    counts = best.metrics["confusion"]
    predicted = [grade for grade in GRADES if any(row[grade - 1] for row in counts)]
    rows = [
        (
            f"**{grade}**",
            sum(row),
            f"{row[grade - 1] / sum(row):.0%}",
            *(_cell(best.run_id, grade, other, row[other - 1]) for other in predicted),
        )
        for grade, row in zip(GRADES, counts, strict=True)
        if sum(row)
    ]
    head = (
        f"Validation cards at epoch {best.epoch}: a row for each labelled grade, a column for each of the model's. A "
        "number opens its cards in the Dataset tab."
    )
    return "\n".join([head, "", *table(["label", "cards", "right", *predicted], rows)])


def _cell(run_id: int, label: int, predicted: int, count: int) -> str:
    """The number of cards as a link to them, see dataset_views.js; "" for none."""
    return f"[{count}](#dataset:run-{run_id}:{label}:{predicted})" if count else ""


def speed_text(epochs: Sequence[Epoch]) -> str:
    """Cards a second of the last epoch, and its share of waiting for pictures; "" without an epoch."""
    if not epochs or "pairs_per_second" not in epochs[-1].metrics:
        return ""
    metrics = epochs[-1].metrics
    waiting = f"{metrics['data_wait_share']:.0%} of the time spent waiting for pictures"
    return f"{metrics['pairs_per_second']:.1f} cards a second, {waiting}"
