"""Store a pair of uploaded pictures as a labelled card, without metadata."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PIL import Image

from app.grading.line_corrections import copy_correction
from app.settings import DataFolder, UserError
from db import cards, labels
from db.schema import Card, Side
from db.session import Database
from engine.cards.pairs import CardPair, write_manifest
from engine.image.read import BadPicture, read_picture
from engine.storage.atomic import atomic_write
from engine.storage.file_hash import sha256
from labeling.import_cards import import_cards


def keep_card(
    database: Database,
    data: DataFolder,
    front: Path | None,
    back: Path | None,
    grade: float | None,
    author: str = "",
) -> Card:
    """Store a pair as a card of the data folder, with the user's grade if known.

    Pictures are stored upright as PNG, pixels unchanged, without location and camera data. Storing the same pictures
    again adds a label to the same card, even if a side was added or left out. Raises BadPicture, UserError.
    """
    uploads: dict[Side, Path | None] = {"front": front, "back": back}
    stored = {side: _store(data, path) for side, path in uploads.items() if path}
    if not stored:
        raise UserError("add at least one picture of the card first")
    digest = hashlib.sha256("".join(path.stem for path in stored.values()).encode()).hexdigest()[:12]
    name = f"graded/{digest}"
    manifest = data.pictures / f"{digest}.csv"
    write_manifest(manifest, [CardPair(name, stored.get("front"), stored.get("back"))])
    imported = import_cards(database, manifest)
    if imported.refused:
        raise UserError(imported.refused[0].reason)
    for side, path in uploads.items():
        if path is not None:
            copy_correction(database, side, upload=path, stored=stored[side], author=author)
    with database.writing() as session:
        hashes: dict[Side, str] = {side: sha256(path) for side, path in stored.items()}
        card = cards.card_of_files(session, front=hashes.get("front"), back=hashes.get("back"))
        if card is None:
            raise UserError("the card was not saved; add its pictures again")
        if grade is not None:
            labels.add_label(session, card_id=card.id, grade=grade, source="person", author=author)
        return card


def _store(data: DataFolder, path: Path) -> Path:
    """Write the picture atomically as an upright PNG into the data folder, named by the hash of its pixels."""
    rgb = read_picture(path)
    pixels = hashlib.sha256(rgb.tobytes()).hexdigest()
    target = data.pictures / f"{pixels}.png"
    if _pixel_hash(target) != pixels:
        data.pictures.mkdir(parents=True, exist_ok=True)
        with atomic_write(target) as part:
            Image.fromarray(rgb).save(part, "PNG")
    return target


def _pixel_hash(path: Path) -> str:
    """The hash of a stored picture's pixels; empty if there is none, or if it cannot be read and is to be replaced."""
    try:
        return hashlib.sha256(read_picture(path).tobytes()).hexdigest()
    except BadPicture:
        return ""
