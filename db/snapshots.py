"""Queries for snapshots: rows that reference a snapshot file."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.orm import Session

from db.schema import Snapshot


def add_snapshot(session: Session, *, path: Path, sha256: str, pairs: int, left_out: list[dict[str, str]]) -> Snapshot:
    """Record a snapshot file, its number of pairs, and the cards left out as {card_id, reason}."""
    snapshot = Snapshot(path=str(path), sha256=sha256, pairs=pairs, left_out=left_out)
    session.add(snapshot)
    session.flush()
    return snapshot


def get(session: Session, *, snapshot_id: int) -> Snapshot | None:
    """The snapshot with this row id."""
    return session.get(Snapshot, snapshot_id)
