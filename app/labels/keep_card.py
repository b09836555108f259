"""A pair that came in through the browser becomes a card: its pictures kept, without metadata, and labelled."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PIL import Image

from app.grading.line_corrections import carry_over
from app.settings import DataFolder, Trouble
from db import cards, labels
from db.schema import Side
from db.session import Database
from engine.cards.pairs import CardPair, write_manifest
from engine.experiments.run_folder import sha256
from engine.image.read import read_picture
from engine.storage.atomic import aside
from labeling.import_cards import import_cards


def keep_card(database: Database, data: DataFolder, front: Path | None, back: Path | None, grade: float | None) -> str:
    """Keep a pair as a card of the data folder with a person's grade; returns the card's name.

    Pictures are stored upright as PNG, every pixel as it was, location and camera data dropped. The same pictures
    again are the same card, also where one side came later or is left away: it gets another label event. Raises
    BadPicture and Trouble.
    """
    given: dict[Side, Path | None] = {"front": front, "back": back}
    stored = {side: _store(data, path) for side, path in given.items() if path}
    if not stored:
        raise Trouble("give at least one picture of the card first")
    digest = hashlib.sha256("".join(path.stem for path in stored.values()).encode()).hexdigest()[:12]
    name = f"graded/{digest}"
    manifest = data.pictures / f"{digest}.csv"
    write_manifest(manifest, [CardPair(name, stored.get("front"), stored.get("back"))])
    imported = import_cards(database, manifest)
    if imported.refused:
        raise Trouble(imported.refused[0].reason)
    for side, path in given.items():
        if path is not None:
            carry_over(database, side, upload=path, kept=stored[side])
    with database.writing() as session:
        shown: dict[Side, str] = {side: sha256(path) for side, path in stored.items()}
        card = cards.card_of_files(session, front=shown.get("front"), back=shown.get("back"))
        if card is None:
            raise Trouble("the card was not kept; give its pictures once more")
        if grade is not None:
            labels.add_label(session, card_id=card.id, grade=grade, source="person")
        return card.name


def _store(data: DataFolder, path: Path) -> Path:
    """The picture as an upright PNG in the data folder, named after its pixels; complete or not there at all."""
    rgb = read_picture(path)
    target = data.pictures / f"{hashlib.sha256(rgb.tobytes()).hexdigest()}.png"
    if not target.exists():
        data.pictures.mkdir(parents=True, exist_ok=True)
        with aside(target) as part:
            Image.fromarray(rgb).save(part, "PNG")
    return target
