"""Take the labels along: a manifest of all cards with the label that holds for each."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from db.session import Database
from engine.cards.pairs import write_manifest
from labeling.snapshot import all_pairs


class ExportRefused(ValueError):
    """A place where nothing can be written; the message names it and the remedy."""


def export_labels(database: Database, path: Path) -> int:
    """Write every card to a manifest CSV and return how many; the file appears whole or not at all.

    Imported into an empty database it gives the same cards, labels, groups and fixed splits. Who gave a label and
    what it was before stay behind. Raises ExportRefused where the file cannot be written.
    """
    pairs = all_pairs(database)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent) as aside:
            part = Path(aside, path.name)
            write_manifest(part, pairs)
            part.replace(path)
    except OSError as error:
        raise ExportRefused(f"{path}: cannot be written ({error.strerror}); choose another place") from error
    return len(pairs)
