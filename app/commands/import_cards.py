"""`import`: take cards and their labels into the data folder's database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.settings import DataFolder, Trouble
from app.terminal import Meter, say
from db.session import Database
from engine.paths import written
from labeling.discover import ImportRefused
from labeling.import_cards import import_cards


def run(data: DataFolder, path: Path, labels: Path | None) -> dict[str, Any]:
    """Returns {added, known, refused: [{path, reason}]}. Raises Trouble where nothing can be imported from the path,
    BadPath where it is none.
    """
    meter = Meter()
    path, labels = written(path), written(labels) if labels else None
    with Database.open(data.database, backup_dir=data.backups) as database:
        try:
            imported = import_cards(
                database, path, labels=labels, progress=lambda done, total: meter("cards", done, total)
            )
        except ImportRefused as error:
            raise Trouble(str(error)) from error
    for refused in imported.refused:
        say(str(refused))
    refusals = [{"path": refused.path, "reason": refused.reason} for refused in imported.refused]
    return {"added": imported.added, "known": imported.known, "refused": refusals}
