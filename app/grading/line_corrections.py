"""Lines that a person laid over a side: kept with the picture's bytes, found again whenever it is graded."""

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
from engine.experiments import run_folder
from engine.image.card_coordinates import mapped, millimetres_to_picture
from engine.image.quads import crossings
from engine.image.rectify import CardSize, card_size
from engine.measure.centering.centering import BadLines

LEAST_LINE_MM = 1.0
BY_HAND = "as its lines were laid by hand"


@dataclass(frozen=True)
class Correction:
    """Eight lines over a side of a card.

    quad               (4, 2) pixels of the upright picture that millimetres count from, clockwise from the top left
    physical, printed  (4, 2, 2) mm: top, right, bottom and left line
    """

    quad: np.ndarray
    size: CardSize
    physical: np.ndarray
    printed: np.ndarray
    author: str = ""
    made_at: datetime | None = None


Corrections = Mapping[tuple[str, Side], Correction]  # by the SHA-256 of the picture's bytes, and side


def kept_in(data: DataFolder) -> Corrections:
    """All corrections of a data folder; none where nothing was ever kept."""
    if not data.database.exists():
        return {}
    with Database.open(data.database, backup_dir=data.backups) as database:
        return corrections(database)


def corrections(database: Database) -> Corrections:
    """The corrections that hold."""
    with database.reading() as session:
        return {key: _from_row(row) for key, row in line_corrections.current_lines(session).items()}


def _from_row(row: LinesEvent) -> Correction:
    return Correction(
        quad=np.array(row.quad, np.float64),
        size=CardSize(row.width_mm, row.height_mm, BY_HAND),
        physical=np.array(row.physical, np.float64),
        printed=np.array(row.printed, np.float64),
        author=row.author,
        made_at=row.created_at,
    )


def settled(correction: Correction, picture: tuple[int, int]) -> Correction:
    """The same lines with millimetres counted on the card that they say is there.

    Where the card was found wrongly, a person's edges and not the finder's bound the 63 by 88 mm.

    picture  (height, width) of the upright picture in pixels
    raises   BadLines where the four edges bound no card
    """
    ways = correction.physical[:, 1] - correction.physical[:, 0]
    lengths = np.linalg.norm(ways, axis=1, keepdims=True)
    if (lengths < LEAST_LINE_MM).any():
        raise BadLines("one of the card's edges is a point; drag its ends apart")
    edges = list(zip(correction.physical[:, 0], ways / lengths, strict=True))
    corners = crossings(edges)
    if corners is None or not cv2.isContourConvex(corners.astype(np.float32)):
        raise BadLines("the card's four edges bound no card; drag them onto its sides")
    before = millimetres_to_picture(correction.quad, correction.size)
    quad = mapped(before, corners)
    size = card_size(quad, picture_size=picture)
    onto = np.linalg.inv(millimetres_to_picture(quad, size)) @ before
    return replace(
        correction,
        quad=quad,
        size=size,
        physical=mapped(onto, correction.physical),
        printed=mapped(onto, correction.printed),
    )


def keep(database: Database, sha256: str, side: Side, correction: Correction) -> Correction:
    """Keep lines from now on; returns them as they were kept, with who and when."""
    with database.writing() as session:
        row = _add(session, sha256, side, correction, correction.physical, correction.printed)
    return replace(correction, author=row.author, made_at=row.created_at)


def take_back(database: Database, sha256: str, side: Side) -> None:
    """What was measured holds again; where no correction held, nothing is written."""
    held = corrections(database).get((sha256, side))
    if held is not None:
        with database.writing() as session:
            _add(session, sha256, side, held, None, None)


def carry_over(database: Database, side: Side, *, upload: Path, kept: Path) -> None:
    """Let the correction of a picture hold for a copy of it as well that has the same pixels in other bytes."""
    known = corrections(database)
    correction = known.get((run_folder.sha256(upload), side))
    copy = (run_folder.sha256(kept), side)
    if correction is not None and (copy not in known or not _alike(correction, known[copy])):
        keep(database, *copy, correction)


def _alike(first: Correction, second: Correction) -> bool:
    return np.array_equal(first.physical, second.physical) and np.array_equal(first.printed, second.printed)


def _add(
    session: line_corrections.Session,
    sha256: str,
    side: Side,
    correction: Correction,
    physical: np.ndarray | None,
    printed: np.ndarray | None,
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
        author=psutil.Process().username(),
    )
