"""Deleting cards: into the bin, back, and for good with their files; disk use, and clearing the caches."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout

from app.settings import DataFolder, UserError
from db import card_bin
from db.schema import Picture
from db.session import Database


def empty_bin(database: Database, data: DataFolder, card_ids: Sequence[int]) -> int:
    """Delete cards that are in the bin for good; returns their number. Raises UserError while a run trains.

    With each card go its gradings, labels and lines, and those of its pictures that no other card has: previews and
    prepared copies, and the files that were uploaded. Files that were imported by path are the user's own and stay.
    """
    with _no_training(data):
        with database.writing() as session:
            in_bin = set(card_bin.cards_in_bin(session)).intersection(card_ids)
            # Before the rows are gone for good: what an interruption leaves is deleted the next time.
            for picture in card_bin.empty_bin(session, card_ids=sorted(in_bin)):
                _delete_picture(picture, data)
        # Prepared copies are in files that many pictures share.
        _delete_folder(data.cache)
    return len(in_bin)


def _delete_picture(picture: Picture, data: DataFolder) -> None:
    path = Path(picture.path)
    if not path.is_relative_to(data.pictures):
        return
    path.unlink(missing_ok=True)
    for manifest in data.pictures.glob("*.csv"):
        if path.name in manifest.read_text(encoding="utf-8"):
            manifest.unlink()


def clear_caches(data: DataFolder) -> int:
    """Delete everything that the program makes again when it needs it; returns the bytes freed.

    Raises UserError while a run trains, or if a file cannot be deleted.
    """
    with _no_training(data):
        freed = size_of(data.cache)
        _delete_folder(data.cache)
    return freed


@contextmanager
def _no_training(data: DataFolder) -> Iterator[None]:
    try:
        with data.training_lock():
            yield
    except Timeout as error:
        raise UserError(
            "a training run is using the prepared pictures; stop it or wait until it ends, then try again"
        ) from error


def _delete_folder(folder: Path) -> None:
    try:
        if folder.is_dir():
            shutil.rmtree(folder)
    except OSError as error:
        raise UserError(f"{error.filename or folder} cannot be deleted ({error.strerror}); try again") from error


def disk_use(data: DataFolder) -> dict[str, int]:
    """Bytes of the parts of the data folder, largest first; the last entry is the whole folder."""
    whole = size_of(data.root)
    parts = {
        "pictures of kept cards": size_of(data.pictures),
        "runs and models": size_of(data.runs),
        "batches": size_of(data.batches),
        "caches": size_of(data.cache),
        "copies of the database": size_of(data.backups),
        "uploads, deleted after a day": size_of(data.uploads),
    }
    rest = {"database and other files": whole - sum(parts.values())}
    largest_first = sorted({**parts, **rest}.items(), key=lambda part: -part[1])
    return {**dict(largest_first), "in all": whole}


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder; 0 if there is none."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(parent, name).lstat().st_size
            except FileNotFoundError:  # a temporary file that is gone meanwhile
                continue
    return total
