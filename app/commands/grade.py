"""`grade`: grade one pair of pictures, or all cards of a manifest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from app.grading.grade_card import grade_card, write_pictures
from app.grading.json_report import report
from app.grading.line_corrections import Corrections, load_corrections
from app.grading.model_registry import model_path, open_grader
from app.settings import DataFolder
from app.terminal import ProgressMeter, print_message
from engine.cards.pairs import CardPair, Refused, manifest_rows
from engine.image.read import BadPicture
from engine.inference.load_model import LoadedModel
from engine.inference.onnx_runtime import with_onnx_runtime

MAX_PLAIN_LENGTH = 100  # characters of a folder name; a longer name is cut and gets a hash
ModelLoader = Callable[[Path], tuple[LoadedModel, str]]


@dataclass(frozen=True)
class CommandOptions:
    """Options of the command.

    model               name or path of the model; None: the default model
    out                 folder for the pictures; None: none are written
    max_interval_width  grades that the interval may span; None: the recommendation of the model's calibration
    ceiling_binds       rule out the grades that a surely measured centering does not allow
    """

    model: str | None = None
    out: Path | None = None
    max_interval_width: int | None = None
    ceiling_binds: bool = True


class GradingOptions(NamedTuple):
    """The model, the line corrections, the widest interval in grades, and whether a sure centering ceiling binds."""

    model: Path | None
    corrections: Corrections
    max_interval_width: int | None
    ceiling_binds: bool
    load_model: ModelLoader = open_grader


def grade_pair(data: DataFolder, front: Path, back: Path | None, command: CommandOptions) -> dict[str, Any]:
    """Grade one card; returns its report and writes its pictures. Raises BadPicture, BadModel, UserError."""
    return _grade(front, back, _grading_options(data, command), command.out)


def grade_batch(data: DataFolder, manifest: Path, command: CommandOptions) -> list[dict[str, Any]]:
    """Grade the cards of a manifest, in its order; returns for each its card_id with the report or an error."""
    rows = manifest_rows(manifest)
    load_model = lru_cache(maxsize=1)(partial(_load_for_batch, data, rows))
    options, out = _grading_options(data, command)._replace(load_model=load_model), command.out
    meter = ProgressMeter()
    results = []
    for row in rows:
        if isinstance(row, Refused):
            results.append({"card_id": row.card_id, "error": str(row)})
        else:
            results.append(_grade_row(row, options, out))
        meter("cards", len(results), len(rows))
    return results


def _grading_options(data: DataFolder, command: CommandOptions) -> GradingOptions:
    path, corrections = model_path(command.model, data), load_corrections(data)
    return GradingOptions(path, corrections, command.max_interval_width, command.ceiling_binds)


def _load_for_batch(data: DataFolder, rows: Sequence[CardPair | Refused], model: Path) -> tuple[LoadedModel, str]:
    loaded, digest = open_grader(model)
    cards = sum(isinstance(row, CardPair) and row.front is not None and row.back is not None for row in rows)
    faster = with_onnx_runtime(loaded, sha256=digest, cards=cards, batch=1, folder=data.graphs, notify=print_message)
    return faster, digest


def _grade_row(pair: CardPair, options: GradingOptions, out: Path | None) -> dict[str, Any]:
    folder = out / folder_name(pair.card_id) if out else None
    try:
        return {"card_id": pair.card_id, **_grade(pair.front, pair.back, options, folder)}
    except BadPicture as error:
        return {"card_id": pair.card_id, "error": str(error)}


def folder_name(card_id: str) -> str:
    """A unique, safe folder name for a card_id: unchanged if plain, else its plain characters and a hash.

    The name never leads out of its parent folder and is never longer than file systems allow.
    """
    plain = re.sub(r"[^\w.-]+|^\.+", "_", card_id)[:MAX_PLAIN_LENGTH]
    return plain if plain == card_id else f"{plain}-{hashlib.sha256(card_id.encode()).hexdigest()[:8]}"


def _grade(front: Path | None, back: Path | None, options: GradingOptions, out: Path | None) -> dict[str, Any]:
    # Saliency maps are only computed if there is a folder to write them to.
    graded = grade_card(
        front,
        back,
        options.model,
        options.corrections,
        options.max_interval_width,
        with_saliency=out is not None,
        ceiling_binds=options.ceiling_binds,
        load_model=options.load_model,
    )
    return report(graded, write_pictures(graded, out) if out else None)
