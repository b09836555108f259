"""Track record of the collection: what was predicted before a grade came back, against that grade."""

from __future__ import annotations

from dataclasses import dataclass

from db import collection, labels
from db.schema import Grading, LabelEvent
from db.session import Database
from engine.cards.grades import training_target
from engine.evaluation.track_record import Comparison, TrackRecord, track_record


@dataclass(frozen=True)
class CollectionRecord:
    """The track record, and the returned cards that it leaves out.

    not_graded   predictions that were abstentions
    no_grade     returned with a qualifier or without a grade
    """

    record: TrackRecord
    not_graded: int
    no_grade: int


def collection_record(database: Database) -> CollectionRecord:
    """Compare each returned grade with the last prediction made before it. A half grade counts as the whole below."""
    with database.reading() as session:
        returned = labels.returned_labels(session)
        gradings = collection.gradings_by_card(session)
    comparisons: list[Comparison] = []
    not_graded = no_grade = 0
    for card_id, events in returned.items():
        prediction = _prediction_before(events[0], gradings.get(card_id, []))
        target = training_target(events[-1].grade, events[-1].qualifier)
        if prediction is None or (events[-1].grade, events[-1].qualifier) == (None, None):
            continue
        if not isinstance(target, int):
            no_grade += 1
        elif prediction["abstained"]:
            not_graded += 1
        else:
            interval = prediction["interval"]
            comparisons.append(Comparison(prediction["grade"], interval["low"], interval["high"], target))
    return CollectionRecord(track_record(comparisons), not_graded, no_grade)


def _prediction_before(event: LabelEvent, gradings: list[Grading]) -> dict | None:
    """The last prediction before an event: a later model may have been trained on the grade that it predicts."""
    before = [grading.prediction for grading in gradings if grading.created_at < event.created_at]
    return before[-1] if before else None
