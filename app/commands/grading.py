"""`grade`: one pair of pictures, or a manifest of many."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from app.corrections import Corrections, kept_in
from app.grading import grade_card, write_pictures
from app.models import model_path
from app.report import report
from app.settings import DataFolder
from app.terminal import Meter
from engine.image.read import BadPicture
from engine.pairs import CardPair, Refused, manifest_rows


def one(data: DataFolder, front: Path, back: Path | None, model: str | None, out: Path | None) -> dict[str, Any]:
    """The report of one card; its pictures below `out`. Raises BadPicture, BadModel, Trouble."""
    return _graded(front, back, model_path(model, data), kept_in(data), out)


def many(data: DataFolder, manifest: Path, model: str | None, out: Path | None) -> list[dict[str, Any]]:
    """A report a card in the manifest's order, each with its card_id, or card_id and error."""
    path, corrections = model_path(model, data), kept_in(data)
    rows = manifest_rows(manifest)
    meter = Meter()
    results = []
    for row in rows:
        if isinstance(row, Refused):
            results.append({"card_id": row.card_id, "error": str(row)})
        else:
            results.append(_one_of_many(row, path, corrections, out))
        meter("cards", len(results), len(rows))
    return results


def _one_of_many(pair: CardPair, model: Path | None, corrections: Corrections, out: Path | None) -> dict[str, Any]:
    folder = out / folder_name(pair.card_id) if out else None
    try:
        return {"card_id": pair.card_id, **_graded(pair.front, pair.back, model, corrections, folder)}
    except BadPicture as error:
        return {"card_id": pair.card_id, "error": str(error)}


def folder_name(card_id: str) -> str:
    """A folder name for any card_id: itself where it is plain, else its plain part and a hash, so that none collide."""
    plain = re.sub(r"[^\w.-]+", "_", card_id)
    return plain if plain == card_id else f"{plain}-{hashlib.sha256(card_id.encode()).hexdigest()[:8]}"


def _graded(
    front: Path | None, back: Path | None, model: Path | None, corrections: Corrections, out: Path | None
) -> dict[str, Any]:
    graded = grade_card(front, back, model, corrections)
    return report(graded, write_pictures(graded, out) if out else None)
