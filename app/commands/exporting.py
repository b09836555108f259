"""`export`: labels, a model, a report on it, or the history of runs, as files for other programs and people."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from app.commands import exporting_model
from app.commands.exporting_model import AS_IT_IS, SUFFIX, Asked
from app.history import history_page
from app.model_page import model_page
from app.models import model_path
from app.settings import DataFolder, Trouble
from db.session import Database
from labeling.exchange import export_labels

What = Literal["labels", "model", "report", "history"]
FILES: dict[What, str] = {"labels": "labels.csv", "report": "report.md", "history": "history.md"}


def run(data: DataFolder, what: What, model: str | None, out: Path | None, asked: Asked = AS_IT_IS) -> dict[str, Any]:
    """Write one of them to `out`, or below the data folder's exports; returns its path and what it holds."""
    name = SUFFIX[asked.form] if what == "model" else FILES[what]
    target = (out or data.exports / name).absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    if what == "labels":
        with Database.open(data.database, backup_dir=data.backups) as database:
            return {"path": str(target), "cards": export_labels(database, target)}
    if what == "history":
        with Database.open(data.database, backup_dir=data.backups) as database:
            page, count = history_page(database)
        target.write_text(page, encoding="utf-8")
        return {"path": str(target), "runs": count}
    path = model_path(model, data)
    if path is None:
        raise Trouble("there is no model to export yet; train one first")
    if what == "model":
        return exporting_model.run(data, path, target, asked)
    target.write_text(model_page(path), encoding="utf-8")
    return {"path": str(target)}
