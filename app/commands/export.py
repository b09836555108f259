"""`export`: labels, a model, a report on it, or the history of runs, as files for other programs and people."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from app.commands import export_model
from app.commands.export_model import AS_IT_IS, SUFFIX, Asked
from app.grading.model_registry import model_path
from app.grading.model_report import model_page
from app.runs.history_report import history_page
from app.settings import DataFolder, Trouble
from db.session import Database
from engine.experiments.run_folder import sha256
from labeling.export import export_labels

What = Literal["labels", "model", "report", "history"]
FILES: dict[What, str] = {"labels": "labels.csv", "report": "report.md", "history": "history.md"}


def run(data: DataFolder, what: What, model: str | None, out: Path | None, asked: Asked = AS_IT_IS) -> dict[str, Any]:
    """Write one of them to `out`, or below the data folder's exports; returns its path and what it holds."""
    if what in ("model", "report"):
        return _of_model(data, what, model, out, asked)
    target = _made(out or data.exports / FILES[what])
    with Database.open(data.database, backup_dir=data.backups) as database:
        if what == "labels":
            return {"path": str(target), "cards": export_labels(database, target)}
        page, count = history_page(database)
    target.write_text(page, encoding="utf-8")
    return {"path": str(target), "runs": count}


def _of_model(data: DataFolder, what: What, model: str | None, out: Path | None, asked: Asked) -> dict[str, Any]:
    path = model_path(model, data)
    if path is None:
        raise Trouble("there is no model to export yet; train one first")
    if what == "model":
        # A folder a model: how often its test split was opened is counted by folder.
        target = _made(out or data.exports / sha256(path)[:12] / SUFFIX[asked.form])
        return export_model.run(data, path, target, asked)
    target = _made(out or data.exports / FILES[what])
    target.write_text(model_page(path), encoding="utf-8")
    return {"path": str(target)}


def _made(target: Path) -> Path:
    """The absolute path, its folder made."""
    target.absolute().parent.mkdir(parents=True, exist_ok=True)
    return target.absolute()
