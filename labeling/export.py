"""Export of all cards with their current labels as a manifest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from db.session import Database
from engine.cards.pairs import write_manifest
from labeling.snapshot import LeftOutCard, all_pairs


@dataclass(frozen=True)
class Exported:
    """Result of an export: number of cards written, and the cards left out with a reason each."""

    cards: int
    left_out: list[LeftOutCard]


class ExportRefused(ValueError):
    """The target cannot be written; the message names it and the remedy."""


def export_labels(database: Database, path: Path) -> Exported:
    """Write all cards to a manifest CSV atomically.

    Importing the file into an empty database restores cards, labels, groups and fixed splits, but not the label
    history. A card whose file is missing or has changed is left out: elsewhere its label would be given to another
    picture. Raises ExportRefused if the file cannot be written.
    """
    pairs, left_out = all_pairs(database)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_manifest(path, pairs)
    except OSError as error:
        raise ExportRefused(f"{path}: cannot be written ({error.strerror}); choose another path") from error
    return Exported(len(pairs), left_out)
