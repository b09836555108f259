"""Line corrections in the database, stored under the SHA-256 of the picture file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import psutil

from app.settings import DataFolder
from db import line_corrections
from db.schema import Lines, LinesEvent, Points, Side
from db.session import Database
from engine.image.rectify import CardSize
from engine.measure.centering.line_correction import CORRECTED_SIZE_NAME, Corrections, LineCorrection
from engine.storage import file_hash


def load_corrections(data: DataFolder) -> Corrections:
    """Read the current corrections of a data folder; none if it has no database yet."""
    if not data.database.exists():
        return {}
    with Database.open(data.database, backup_dir=data.backups) as database:
        return current_corrections(database)


def current_corrections(database: Database) -> Corrections:
    """Read the current corrections."""
    with database.reading() as session:
        return {key: _from_row(row) for key, row in line_corrections.current_lines(session).items()}


def _from_row(row: LinesEvent) -> LineCorrection:
    return LineCorrection(
        quad=np.array(row.quad, np.float64),
        size=CardSize(row.width_mm, row.height_mm, CORRECTED_SIZE_NAME),
        physical=np.array(row.physical, np.float64),
        printed=np.array(row.printed, np.float64),
        author=row.author,
        saved_at=row.created_at,
    )


def save_correction(
    database: Database, sha256: str, side: Side, correction: LineCorrection, author: str = ""
) -> LineCorrection:
    """Store a correction; returns it with its author, by default the user of this machine, and its time."""
    with database.writing() as session:
        row = _add_row(session, sha256, side, correction, correction.physical, correction.printed, author)
    return replace(correction, author=row.author, saved_at=row.created_at)


def withdraw_correction(database: Database, sha256: str, side: Side, author: str = "") -> None:
    """Return a side to its measured lines; without a current correction nothing is written."""
    correction = current_corrections(database).get((sha256, side))
    if correction is not None:
        with database.writing() as session:
            _add_row(session, sha256, side, correction, None, None, author)


def copy_correction(database: Database, side: Side, *, upload: Path, stored: Path, author: str = "") -> None:
    """Apply the correction of an uploaded picture to its stored copy, which has the same pixels in other bytes."""
    corrections = current_corrections(database)
    correction = corrections.get((file_hash.sha256(upload), side))
    key = (file_hash.sha256(stored), side)
    if correction is not None and (key not in corrections or not _same_lines(correction, corrections[key])):
        save_correction(database, *key, correction, author)


def _same_lines(first: LineCorrection, second: LineCorrection) -> bool:
    return np.array_equal(first.physical, second.physical) and np.array_equal(first.printed, second.printed)


def _add_row(
    session: line_corrections.Session,
    sha256: str,
    side: Side,
    correction: LineCorrection,
    physical: np.ndarray | None,
    printed: np.ndarray | None,
    author: str,
) -> LinesEvent:
    return line_corrections.add_lines(
        session,
        picture_sha256=sha256,
        side=side,
        quad=cast(Points, correction.quad.tolist()),
        width_mm=correction.size.width_mm,
        height_mm=correction.size.height_mm,
        physical=None if physical is None else cast(Lines, physical.tolist()),
        printed=None if printed is None else cast(Lines, printed.tolist()),
        author=author or psutil.Process().username(),
    )
