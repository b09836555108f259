"""`export`: labels, the model, a report on it, or the history of runs, as files for other programs and people."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal

from app.history import history_page
from app.model_page import model_page
from app.models import model_path
from app.settings import DataFolder, Trouble
from db.session import Database
from engine.run_folder import sha256
from labeling.exchange import export_labels

What = Literal["labels", "model", "report", "history"]
FILES: dict[What, str] = {"labels": "labels.csv", "model": "model.pt", "report": "report.md", "history": "history.md"}


def run(data: DataFolder, what: What, model: str | None, out: Path | None) -> dict[str, Any]:
    """Write one of them to `out`, or below the data folder's exports; returns its path and what it holds."""
    target = (out or data.exports / FILES[what]).absolute()
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
        shutil.copyfile(path, target)
        return {"path": str(target), "sha256": sha256(target)}
    target.write_text(model_page(path), encoding="utf-8")
    return {"path": str(target)}
