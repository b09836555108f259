"""Line corrections: centering lines dragged by the user, stored under the SHA-256 of the picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import psutil

from app.settings import DataFolder
from db import line_corrections
from db.schema import Lines, LinesEvent, Points, Side
from db.session import Database
from engine.image.card_coordinates import apply_homography, millimeters_to_picture
from engine.image.quads import quad_from_lines
from engine.image.rectify import CardSize, card_size
from engine.measure.centering.centering import BadLines
from engine.storage import file_hash

MIN_LINE_MM = 1.0
CORRECTED_SIZE_NAME = "from the corrected edges"


@dataclass(frozen=True)
class Correction:
    """The eight centering lines of one side, corrected by the user.

    quad               (4, 2) corners of the card in pixels of the upright picture, clockwise from the top left; they
                       define the millimeters
    physical, printed  (4, 2, 2) mm: two points each of the top, right, bottom and left line
    """

    quad: np.ndarray
    size: CardSize
    physical: np.ndarray
    printed: np.ndarray
    author: str = ""
    saved_at: datetime | None = None


Corrections = Mapping[tuple[str, Side], Correction]  # keyed by the SHA-256 of the picture file and the side


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


def _from_row(row: LinesEvent) -> Correction:
    return Correction(
        quad=np.array(row.quad, np.float64),
        size=CardSize(row.width_mm, row.height_mm, CORRECTED_SIZE_NAME),
        physical=np.array(row.physical, np.float64),
        printed=np.array(row.printed, np.float64),
        author=row.author,
        saved_at=row.created_at,
    )


def with_card_from_edges(correction: Correction, picture_size: tuple[int, int]) -> Correction:
    """The same lines in millimeters of the card that the corrected physical edges enclose.

    If detection was wrong, the card of 63 by 88 mm is the quad of the user's edges, not the detected one.

    picture_size  (height, width) of the upright picture in pixels
    raises        BadLines if the four edges enclose no card
    """
    directions = correction.physical[:, 1] - correction.physical[:, 0]
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    if (lengths < MIN_LINE_MM).any():
        raise BadLines("one card edge is a point; drag its ends apart")
    edges = list(zip(correction.physical[:, 0], directions / lengths, strict=True))
    corners = quad_from_lines(edges)
    if corners is None or not cv2.isContourConvex(corners.astype(np.float32)):
        raise BadLines("the four card edges enclose no card; drag them onto its sides")
    old_homography = millimeters_to_picture(correction.quad, correction.size)
    quad = apply_homography(old_homography, corners)
    size = card_size(quad, picture_size=picture_size)
    old_to_new = np.linalg.inv(millimeters_to_picture(quad, size)) @ old_homography
    return replace(
        correction,
        quad=quad,
        size=size,
        physical=apply_homography(old_to_new, correction.physical),
        printed=apply_homography(old_to_new, correction.printed),
    )


def save_correction(
    database: Database, sha256: str, side: Side, correction: Correction, author: str = ""
) -> Correction:
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


def _same_lines(first: Correction, second: Correction) -> bool:
    return np.array_equal(first.physical, second.physical) and np.array_equal(first.printed, second.printed)


def _add_row(
    session: line_corrections.Session,
    sha256: str,
    side: Side,
    correction: Correction,
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
