"""Append-only tables: sessions refuse to change or delete label and line events, on every database.

On SQLite, triggers also refuse it for other programs (migrations/versions). Emptying the bin deletes the events of the
cards in it.
"""

from __future__ import annotations

from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction, sessionmaker

from db.schema import Base, LabelEvent, LinesEvent

# Execution option of the statements that empty the bin.
EMPTIES_BIN = "empties_bin"


class AppendOnly(RuntimeError):
    """An attempt to change or delete an event."""


REFUSALS: dict[type[Base], str] = {
    LabelEvent: "label events are append-only; record the correction as another event",
    LinesEvent: "lines are append-only; record the correction as another event",
}


def guard(sessions: sessionmaker[Session]) -> None:
    """Make every session of this factory refuse to change or delete events (raises AppendOnly)."""
    event.listen(sessions, "before_flush", _refuse_flush)
    event.listen(sessions, "do_orm_execute", _refuse_statement)


def _refuse_flush(session: Session, _context: UOWTransaction, _instances: object) -> None:
    changed = [row for row in session.dirty if session.is_modified(row)]
    for row in (*changed, *session.deleted):
        _refuse(type(row))


def _refuse_statement(state: ORMExecuteState) -> None:
    empties_bin = state.is_delete and state.execution_options.get(EMPTIES_BIN, False)
    if (state.is_update or state.is_delete) and state.bind_mapper is not None and not empties_bin:
        _refuse(state.bind_mapper.class_)


def _refuse(table: type[Base]) -> None:
    if table in REFUSALS:
        raise AppendOnly(REFUSALS[table])
