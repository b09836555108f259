"""`export`: write labels, a model, a model report or the training history to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from app.commands import export_model
from app.commands.export_model import DEFAULT_OPTIONS, FILE_NAMES, ExportOptions
from app.grading.model_registry import model_path
from app.grading.model_report import model_report
from app.runs.history_report import history_page
from app.settings import DataFolder, UserError
from db.session import Database
from engine.experiments.run_folder import sha256
from labeling.export import export_labels

ExportKind = Literal["labels", "model", "report", "history"]
FILES: dict[ExportKind, str] = {"labels": "labels.csv", "report": "report.md", "history": "history.md"}


def run(
    data: DataFolder, kind: ExportKind, model: str | None, out: Path | None, options: ExportOptions = DEFAULT_OPTIONS
) -> dict[str, Any]:
    """Write the file to `out`, or below the data folder's exports; returns its path and a count or model metadata."""
    if kind in ("model", "report"):
        return _export_model_or_report(data, kind, model, out, options)
    target = _with_folder(out or data.exports / FILES[kind])
    with Database.open(data.database, backup_dir=data.backups) as database:
        if kind == "labels":
            return {"path": str(target), "cards": export_labels(database, target)}
        page, count = history_page(database)
    target.write_text(page, encoding="utf-8")
    return {"path": str(target), "runs": count}


def _export_model_or_report(
    data: DataFolder, kind: ExportKind, model: str | None, out: Path | None, options: ExportOptions
) -> dict[str, Any]:
    path = model_path(model, data)
    if path is None:
        raise UserError("there is no model to export yet; train one first")
    if kind == "model":
        # One folder per model: uses of the test split are logged per folder.
        target = _with_folder(out or data.exports / sha256(path)[:12] / FILE_NAMES[options.form])
        return export_model.run(data, path, target, options)
    target = _with_folder(out or data.exports / FILES[kind])
    target.write_text(model_report(path), encoding="utf-8")
    return {"path": str(target)}


def _with_folder(target: Path) -> Path:
    """Create the folder of `target`; returns the absolute path."""
    target.absolute().parent.mkdir(parents=True, exist_ok=True)
    return target.absolute()
