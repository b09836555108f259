"""Listing of the cards of an import, the same for its preview and for the import itself; no picture is decoded."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.cards.pairs import CardPair, Manifest, Refused
from labeling.discover import Endings, ImportRefused, Progress, cards_at, cards_in_folder, manifest_at
from labeling.label_file import with_labels

NOT_UPLOADED = (
    "card {!r}: the picture {} was not uploaded; drop the folder that holds the table and its pictures, or name the "
    "pictures in the table without a folder"
)


@dataclass(frozen=True)
class ImportSource:
    """Source of an import.

    path     a manifest CSV, or a folder: with a manifest.csv or labels.csv, with a folder per grade, or plain
    labels   a CSV card_id,grade[,qualifier] for the cards of a folder, by name
    endings  what a picture is that may be the back of another by the ending of its name
    within   folder in which every picture must be: an upload must not name the other files of this machine
    """

    path: Path
    labels: Path | None = None
    endings: Endings = "left out"
    within: Path | None = None
    left_out: Collection[Refused] = field(default=())

    @property
    def table(self) -> Path | None:
        """The manifest; None for a folder without one."""
        return None if self.labels else manifest_at(self.path)


def list_cards(source: ImportSource, progress: Progress | None = None) -> Manifest:
    """List the cards; files that are not taken are in `refused`. Raises ImportRefused.

    progress  called with (rows read, total rows) of a manifest
    """
    if source.labels is None:
        cards = cards_at(source.path, endings=source.endings, progress=progress)
    elif source.path.is_file():
        raise ImportRefused(f"{source.path}: a manifest holds its own grades; omit {source.labels.name}")
    else:
        in_folder = cards_in_folder(source.path, used=[source.labels], endings=source.endings)
        cards = with_labels(in_folder, source.labels)
    if source.within is not None:
        cards = _only_within(cards, source.within)
    return replace(cards, refused=[*source.left_out, *cards.refused])


def _only_within(cards: Manifest, folder: Path) -> Manifest:
    pairs: list[CardPair] = []
    refused: list[Refused] = []
    inside = folder.resolve()
    for pair in cards.pairs:
        outside = [path for path, _ in pair.sides if not path.resolve().is_relative_to(inside)]
        if outside:
            refused.append(Refused(str(outside[0]), NOT_UPLOADED.format(pair.card_id, outside[0].name), pair.card_id))
        else:
            pairs.append(pair)
    return replace(cards, pairs=pairs, refused=[*cards.refused, *refused])
