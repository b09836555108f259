"""Files that the rows refer to: pictures, snapshots and models, to back them up and to move them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.schema import STARTER, Picture, Promotion, Run, Snapshot


class FileReference(NamedTuple):
    """A file by its path and the hash of its content."""

    kind: str  # "picture", "snapshot" or "model"
    path: str
    sha256: str


def file_references(session: Session) -> list[FileReference]:
    """All files whose hash is recorded; without the model that ships with the program."""
    columns = {
        "picture": (Picture.path, Picture.sha256),
        "snapshot": (Snapshot.path, Snapshot.sha256),
        "model": (Promotion.model_path, Promotion.sha256),
    }
    references = (FileReference(kind, *row) for kind, pair in columns.items() for row in session.execute(select(*pair)))
    return [reference for reference in references if reference.path != STARTER]


def move_files(session: Session, new_path: Callable[[str], str]) -> None:
    """Replace the paths in all rows by `new_path` of each."""
    for column in (Picture.path, Promotion.model_path, Snapshot.path, Run.folder, Run.log_path):
        table, key = column.class_, column.key
        for row_id, path in session.execute(select(table.id, column).where(column != STARTER)).all():
            session.execute(update(table).where(table.id == row_id).values({key: new_path(path)}))
    for run in session.scalars(select(Run).where(Run.summary.is_not(None))):
        run.summary = {
            name: new_path(value) if isinstance(value, str) else value for name, value in (run.summary or {}).items()
        }


def change_snapshot(session: Session, *, path: str, new_path: str, sha256: str) -> None:
    """Record the new path and hash of a snapshot file that was written again."""
    session.execute(update(Snapshot).where(Snapshot.path == path).values(path=new_path, sha256=sha256))
