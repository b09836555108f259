"""The current lines are the last ones recorded for a side of a picture; events are never changed."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from db.append_only import AppendOnly
from db.line_corrections import add_lines, current_lines
from db.schema import LinesEvent

QUAD = [(10.0, 10.0), (640.5, 10.0), (640.5, 890.0), (10.0, 890.0)]
PICTURE, OTHER_PICTURE = "a" * 64, "b" * 64


def around(border_mm: float) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Four lines at this distance inside the edge of a card of 63 x 88 mm."""
    low, right, bottom = border_mm, 63 - border_mm, 88 - border_mm
    corners = [(low, low), (right, low), (right, bottom), (low, bottom)]
    return [(corners[side], corners[(side + 1) % 4]) for side in range(4)]


def record_lines(
    session, border_mm: float | None, *, picture: str = PICTURE, side: str = "front", **changes
) -> LinesEvent:
    lines = {"physical": None, "printed": None}
    if border_mm is not None:
        lines = {"physical": around(0), "printed": around(border_mm)}
    fields = {"quad": QUAD, "width_mm": 63.0, "height_mm": 88.0, "author": "ada", **lines, **changes}
    return add_lines(session, picture_sha256=picture, side=side, **fields)


def borders(session) -> dict[tuple[str, str], float]:
    """The border width of the current lines, by picture and side."""
    return {key: event.printed[0][0][0] for key, event in current_lines(session).items()}


def test_the_latest_lines_apply_only_to_their_picture_and_side(database):
    with database.writing() as session:
        record_lines(session, 2.0)
        record_lines(session, 3.0, side="back")
        record_lines(session, 4.0, picture=OTHER_PICTURE)
        record_lines(session, 2.5)
    with database.reading() as session:
        assert borders(session) == {(PICTURE, "front"): 2.5, (PICTURE, "back"): 3.0, (OTHER_PICTURE, "front"): 4.0}


def test_withdrawn_lines_no_longer_apply_and_stay_in_the_history(database):
    with database.writing() as session:
        record_lines(session, 2.0)
        record_lines(session, None)
        assert borders(session) == {}
        record_lines(session, 3.0)
    with database.reading() as session:
        assert borders(session) == {(PICTURE, "front"): 3.0}
        history = session.scalars(select(LinesEvent).order_by(LinesEvent.id)).all()
        assert [event.printed and event.printed[0][0][0] for event in history] == [2.0, None, 3.0]


def test_lines_are_read_back_as_they_were_written(database):
    with database.writing() as session:
        record_lines(session, 2.125)
    with database.reading() as session:
        [event] = current_lines(session).values()
    assert [[tuple(point) for point in line] for line in event.printed] == [list(line) for line in around(2.125)]
    assert [tuple(point) for point in event.quad] == QUAD
    assert (event.width_mm, event.height_mm, event.author) == (63.0, 88.0, "ada")
    assert event.created_at.tzinfo is not None


@pytest.mark.parametrize(
    "wrong",
    [
        {"picture": "a" * 63},
        {"side": "rim"},
        {"width_mm": 0.0},
        {"height_mm": -88.0},
        {"physical": None},
        {"printed": None},
    ],
)
def test_invalid_lines_are_refused(database, wrong):
    with pytest.raises(IntegrityError, match="CHECK"), database.writing() as session:
        record_lines(session, 2.0, **wrong)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE lines_events SET printed = NULL, physical = NULL",
        "DELETE FROM lines_events",
        "INSERT OR REPLACE INTO lines_events SELECT id, picture_sha256, 'back', quad, width_mm, height_mm, physical, "
        "printed, author, created_at FROM lines_events",
    ],
)
def test_no_program_can_change_stored_lines(database, tmp_path, statement):
    with database.writing() as session:
        record_lines(session, 2.0)
    path = tmp_path / "loupe.db"
    with closing(sqlite3.connect(path)) as raw, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        raw.execute(statement)
    with database.reading() as session:
        assert borders(session) == {(PICTURE, "front"): 2.0}


def test_the_session_refuses_to_change_lines_before_the_database_does(database):
    with database.writing() as session:
        row = record_lines(session, 2.0).id
    with pytest.raises(AppendOnly), database.writing() as session:
        session.get(LinesEvent, row).side = "back"
    with pytest.raises(AppendOnly), database.writing() as session:
        session.delete(session.get(LinesEvent, row))
    with pytest.raises(AppendOnly), database.writing() as session:
        session.execute(update(LinesEvent).values(side="back"))
    with pytest.raises(AppendOnly), database.writing() as session:
        session.execute(delete(LinesEvent))
