"""`import`: import cards and their labels into the data folder's database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.settings import DataFolder, UserError
from app.terminal import ProgressMeter, print_message
from db.session import Database
from engine.paths import expand_path
from labeling.discover import ImportRefused
from labeling.import_cards import ImportHooks, changed_labels_text, import_source
from labeling.import_listing import ImportSource


def run(data: DataFolder, path: Path, labels: Path | None, *, labels_win: bool = False) -> dict[str, Any]:
    """Import the cards at a path; returns {added, known, refused: [{path, reason}], changed_labels}.

    labels_win  take the labels that differ from those given by a person; else they are only counted
    raises      UserError if nothing at the path can be imported, BadPath if it is not a path
    """
    meter = ProgressMeter()
    path, labels = expand_path(path), expand_path(labels) if labels else None
    with Database.open(data.database, backup_dir=data.backups) as database:
        try:
            hooks = ImportHooks(
                listing=lambda done, total: meter("rows of the table", done, total),
                progress=lambda done, total: meter("cards", done, total),
            )
            imported = import_source(database, ImportSource(path, labels), labels_win=labels_win, hooks=hooks)
        except ImportRefused as error:
            raise UserError(str(error)) from error
    changed = [changed_labels_text(imported.changed_labels, taken=labels_win, remedy="import again with --labels-win")]
    for sentence in (*imported.notices, *map(str, imported.refused), *filter(None, changed)):
        print_message(sentence)
    return {
        "added": imported.added,
        "known": imported.known,
        "refused": [{"path": refused.path, "reason": refused.reason} for refused in imported.refused],
        "changed_labels": imported.changed_labels,
    }
