"""`export`: write labels, a model, a model report or the training history to a file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from app.commands import export_model
from app.commands.evaluate import print_left_out
from app.commands.export_model import DEFAULT_OPTIONS, FILE_NAMES, ExportOptions
from app.models.model_registry import model_path
from app.models.model_report import model_report
from app.runs.history_report import history_page
from app.settings import DataFolder, UserError
from db.session import Database
from engine.storage.atomic import write_text
from engine.storage.file_hash import sha256
from labeling.export import LabelForm, export_labels

ExportKind = Literal["labels", "model", "report", "history"]
FILES: dict[ExportKind, str] = {"report": "report.md", "history": "history.md"}
LABEL_FILES: dict[LabelForm, str] = {
    "csv": "labels.csv",
    "parquet": "labels.parquet",
    "folders": "cards",
    "imagefolder": "imagefolder",
}


def run(
    data: DataFolder,
    kind: ExportKind,
    model: str | None,
    out: Path | None,
    options: ExportOptions = DEFAULT_OPTIONS,
    form: LabelForm = "csv",
) -> dict[str, Any]:
    """Write the file to `out`, or below the data folder's exports; returns its path and a count or model metadata.

    form  of exported labels
    """
    if kind in ("model", "report"):
        return _export_model_or_report(data, kind, model, out, options)
    target = _with_folder(out or data.exports / (LABEL_FILES[form] if kind == "labels" else FILES[kind]))
    with Database.open(data.database, backup_dir=data.backups) as database:
        if kind == "labels":
            exported = export_labels(database, target, form)
            print_left_out(exported.left_out)
            left_out = [asdict(card) for card in exported.left_out]
            return {"path": str(target), "cards": exported.cards, "left_out": left_out}
        page, count = history_page(database)
    write_text(target, page)
    return {"path": str(target), "runs": count}


def _export_model_or_report(
    data: DataFolder, kind: ExportKind, model: str | None, out: Path | None, options: ExportOptions
) -> dict[str, Any]:
    path = model_path(model, data)
    if path is None:
        raise UserError("there is no model to export yet; train one first")
    if kind == "model":
        # One folder per model, as it may have a model card.
        target = _with_folder(out or data.exports / sha256(path)[:12] / FILE_NAMES[options.form])
        return export_model.run(data, path, target, options)
    target = _with_folder(out or data.exports / FILES[kind])
    write_text(target, model_report(path, data.test_openings))
    return {"path": str(target)}


def _with_folder(target: Path) -> Path:
    """Create the folder of `target`; returns the absolute path."""
    target.absolute().parent.mkdir(parents=True, exist_ok=True)
    return target.absolute()
