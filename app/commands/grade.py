"""`grade`: one pair of pictures, or a manifest of many."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from app.grading.grade_card import grade_card, write_pictures
from app.grading.json_report import report
from app.grading.line_corrections import Corrections, kept_in
from app.grading.model_registry import model_path, open_grader
from app.settings import DataFolder
from app.terminal import Meter, say
from engine.cards.pairs import CardPair, Refused, manifest_rows
from engine.image.read import BadPicture
from engine.inference.loaded_model import Model
from engine.inference.onnx_runtime import quicker

# Of a folder's name; the hash of a longer one follows.
LONGEST_PLAIN = 100
Opened = Callable[[Path], tuple[Model, str]]


class Way(NamedTuple):
    """By which model, by whose lines and up to which doubt cards are graded."""

    model: Path | None
    corrections: Corrections
    widest: int | None
    opened: Opened = open_grader


def one(
    data: DataFolder, front: Path, back: Path | None, model: str | None, out: Path | None, widest: int | None = None
) -> dict[str, Any]:
    """The report of one card; its pictures below `out`. Raises BadPicture, BadModel, Trouble.

    widest  how many grades the interval may span; None: as many as the model's calibration recommends
    """
    return _graded(front, back, Way(model_path(model, data), kept_in(data), widest), out)


def many(
    data: DataFolder, manifest: Path, model: str | None, out: Path | None, widest: int | None = None
) -> list[dict[str, Any]]:
    """A report a card in the manifest's order, each with its card_id, or card_id and error; otherwise as `one`."""
    rows = manifest_rows(manifest)
    opened = lru_cache(maxsize=1)(partial(_open_for_many, data, rows))
    way = Way(model_path(model, data), kept_in(data), widest, opened)
    meter = Meter()
    results = []
    for row in rows:
        if isinstance(row, Refused):
            results.append({"card_id": row.card_id, "error": str(row)})
        else:
            results.append(_one_of_many(row, way, out))
        meter("cards", len(results), len(rows))
    return results


def _open_for_many(data: DataFolder, rows: Sequence[CardPair | Refused], model: Path) -> tuple[Model, str]:
    loaded, digest = open_grader(model)
    whole = sum(isinstance(row, CardPair) and row.front is not None and row.back is not None for row in rows)
    return quicker(loaded, sha256=digest, cards=whole, batch=1, folder=data.graphs, say=say), digest


def _one_of_many(pair: CardPair, way: Way, out: Path | None) -> dict[str, Any]:
    folder = out / folder_name(pair.card_id) if out else None
    try:
        return {"card_id": pair.card_id, **_graded(pair.front, pair.back, way, folder)}
    except BadPicture as error:
        return {"card_id": pair.card_id, "error": str(error)}


def folder_name(card_id: str) -> str:
    """A folder name for any card_id: itself where it is plain, else its plain part and a hash, so that none collide.

    None leads out of the folder that it is to lie in, and none is longer than file systems allow.
    """
    plain = re.sub(r"[^\w.-]+|^\.+", "_", card_id)[:LONGEST_PLAIN]
    return plain if plain == card_id else f"{plain}-{hashlib.sha256(card_id.encode()).hexdigest()[:8]}"


def _graded(front: Path | None, back: Path | None, way: Way, out: Path | None) -> dict[str, Any]:
    # Without a folder for its pictures nobody sees where the card loses its grade.
    graded = grade_card(
        front, back, way.model, way.corrections, way.widest, explained=out is not None, opened=way.opened
    )
    return report(graded, write_pictures(graded, out) if out else None)
