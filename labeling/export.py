"""Export of all cards with their current labels as a manifest."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from db.session import Database
from engine.cards.pairs import write_manifest
from labeling.snapshot import all_pairs


class ExportRefused(ValueError):
    """The target cannot be written; the message names it and the remedy."""


def export_labels(database: Database, path: Path) -> int:
    """Write all cards to a manifest CSV atomically; returns their number.

    Importing the file into an empty database restores cards, labels, groups and fixed splits, but not the label
    history. Raises ExportRefused if the file cannot be written.
    """
    pairs = all_pairs(database)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent) as folder:
            temporary = Path(folder, path.name)
            write_manifest(temporary, pairs)
            temporary.replace(path)
    except OSError as error:
        raise ExportRefused(f"{path}: cannot be written ({error.strerror}); choose another path") from error
    return len(pairs)
