"""`grade`: grade one pair of pictures, or all cards of a manifest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.grading.json_report import report
from app.grading.line_corrections import load_corrections
from app.grading.pictures import write_pictures
from app.models.grading_model import grading_model
from app.report.embedded_pictures import embedded_pictures
from app.report.html_report import ReportFile, card_page, report_file
from app.settings import DataFolder
from app.terminal import ProgressMeter, print_message
from engine.cards.pairs import CardPair, Refused, manifest_rows
from engine.image.read import BadPicture
from engine.inference.grade_card import GradedCard, grade_card
from engine.inference.load_model import LoadedModel
from engine.inference.onnx_runtime import with_onnx_runtime
from engine.measure.centering.line_correction import Corrections

MAX_PLAIN_LENGTH = 100  # characters of a folder name; a longer name is cut and gets a hash


@dataclass(frozen=True)
class CommandOptions:
    """Options of the command.

    model               name or path of the model; None: the default model
    out                 folder for the pictures; None: none are written
    report              HTML file for the printable report; None: none is written
    max_interval_width  grades that the interval may span; None: the recommendation of the model's calibration
    ceiling_binds       rule out the grades that a surely measured centering does not allow
    """

    model: str | None = None
    out: Path | None = None
    max_interval_width: int | None = None
    ceiling_binds: bool = True
    report: Path | None = None

    @property
    def with_saliency(self) -> bool:
        """Saliency maps are only computed if there is something to show them in."""
        return self.out is not None or self.report is not None


def grade_pair(data: DataFolder, front: Path, back: Path | None, command: CommandOptions) -> dict[str, Any]:
    """Grade one card; returns its report and writes its pictures. Raises BadPicture, BadModel, UserError."""
    model, corrections = grading_model(data, command.model), load_corrections(data)
    graded = _grade(front, back, model, corrections, command)
    with _report_file(command) as pages:
        return _write(graded, front.stem, command.out, pages)


def grade_batch(data: DataFolder, manifest: Path, command: CommandOptions) -> list[dict[str, Any]]:
    """Grade the cards of a manifest, in its order; returns for each its card_id with the report or an error."""
    rows = manifest_rows(manifest)
    model, corrections = grading_model(data, command.model), load_corrections(data)
    if model is not None:
        model = _for_batch(data, rows, model)
    meter = ProgressMeter()
    results: list[dict[str, Any]] = []
    with _report_file(command) as pages:
        for row in rows:
            try:
                if isinstance(row, Refused):
                    raise BadPicture(str(row))
                graded = _grade(row.front, row.back, model, corrections, command)
            except BadPicture as error:
                results.append({"card_id": row.card_id, "error": str(error)})
                if pages is not None:
                    pages.add_failure(row.card_id, str(error))
            else:
                folder = command.out / folder_name(row.card_id) if command.out else None
                results.append({"card_id": row.card_id, **_write(graded, row.card_id, folder, pages)})
            meter("cards", len(results), len(rows))
    return results


def _for_batch(data: DataFolder, rows: Sequence[CardPair | Refused], model: LoadedModel) -> LoadedModel:
    cards = sum(isinstance(row, CardPair) and row.front is not None and row.back is not None for row in rows)
    return with_onnx_runtime(model, sha256=model.sha256, cards=cards, batch=1, folder=data.graphs, notify=print_message)


def folder_name(card_id: str) -> str:
    """A unique, safe folder name for a card_id: unchanged if plain, else its plain characters and a hash.

    The name never leads out of its parent folder and is never longer than file systems allow.
    """
    plain = re.sub(r"[^\w.-]+|^\.+", "_", card_id)[:MAX_PLAIN_LENGTH]
    return plain if plain == card_id else f"{plain}-{hashlib.sha256(card_id.encode()).hexdigest()[:8]}"


def _report_file(command: CommandOptions) -> AbstractContextManager[ReportFile | None]:
    return nullcontext() if command.report is None else report_file(command.report)


def _grade(
    front: Path | None, back: Path | None, model: LoadedModel | None, corrections: Corrections, command: CommandOptions
) -> GradedCard:
    return grade_card(
        front,
        back,
        model,
        corrections,
        max_interval_width=command.max_interval_width,
        ceiling_binds=command.ceiling_binds,
        with_saliency=command.with_saliency,
    )


def _write(graded: GradedCard, name: str, out: Path | None, pages: ReportFile | None) -> dict[str, Any]:
    """Write the card's pictures and its page, where they are asked for; returns its JSON."""
    values = report(graded, write_pictures(graded, out) if out else None)
    if pages is not None:
        card = None if graded.model is None else graded.model.card
        pages.add_page(card_page(name, values, embedded_pictures(graded), card))
    return values
