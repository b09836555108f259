"""Label events are written once: the session refuses to change or delete them, on every database.

On SQLite triggers refuse it a second time, also for programs that are not ours (migrations/versions/0001).
"""

from __future__ import annotations

from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction, sessionmaker

from db.schema import LabelEvent


class AppendOnly(RuntimeError):
    """An attempt to change or delete a label event."""


REFUSAL = "label events are append-only; record the correction as another event"


def guard(sessions: sessionmaker[Session]) -> None:
    """Make every session of this factory refuse to change or delete label events (raises AppendOnly)."""
    event.listen(sessions, "before_flush", _refuse_flush)
    event.listen(sessions, "do_orm_execute", _refuse_statement)


def _refuse_flush(session: Session, _context: UOWTransaction, _instances: object) -> None:
    changed = [row for row in session.dirty if session.is_modified(row)]
    if any(isinstance(row, LabelEvent) for row in [*changed, *session.deleted]):
        raise AppendOnly(REFUSAL)


def _refuse_statement(state: ORMExecuteState) -> None:
    changes = state.is_update or state.is_delete
    if changes and state.bind_mapper is not None and state.bind_mapper.class_ is LabelEvent:
        raise AppendOnly(REFUSAL)
