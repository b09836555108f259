"""Cards of a batch from a folder, a ZIP file, a CSV file, or uploaded files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from app.batch.batch import Batch, BatchCard, create_batch
from app.settings import DataFolder, UserError
from app.unpack_zip import ZIP, root_of_cards, unpack_zip
from engine.cards.pairs import CardPair, Refused, manifest_rows
from labeling.discover import TABLE_SUFFIXES, ImportRefused, cards_in_folder, manifest_at

NOT_UPLOADED = "{}: the picture {} was not uploaded; upload it with the CSV file, and name it there without a folder"


def batch_from_path(data: DataFolder, path: Path, model: str | None = None) -> Batch:
    """A batch of the cards at a path of this machine, which stay where they are; a ZIP file is unpacked.

    Raises UserError, ImportRefused, BadManifest.
    """
    if path.suffix.lower() == ZIP and path.is_file():
        return batch_from_files(data, [path], model)
    return create_batch(data, lambda _: cards_at(path), source=path.name or str(path), model=model)


def batch_from_files(data: DataFolder, files: Sequence[Path], model: str | None = None) -> Batch:
    """A batch of uploaded files, which are copied: pictures, a CSV file that names them, ZIP files of both.

    Raises UserError, ImportRefused, BadManifest.
    """
    if not files:
        raise UserError("choose the files first: pictures, a ZIP file, or a CSV file with its pictures")

    source = files[0].name if len(files) == 1 else f"{len(files)} files"

    def find_cards(folder: Path) -> list[BatchCard]:
        folder.mkdir()
        for file in files:
            if file.suffix.lower() == ZIP:
                unpack_zip(file, folder)
            else:
                shutil.copyfile(file, _free_name(folder / file.name))
        root = root_of_cards(folder)
        try:
            return [_if_inside(card, folder) for card in cards_at(root)]
        except ImportRefused as error:
            # The user knows what was uploaded, and not the folder into which it was copied.
            raise UserError(f"{source}: {str(error).removeprefix(f'{root}: ')}") from error

    return create_batch(data, find_cards, source=source, model=model)


def cards_at(path: Path) -> list[BatchCard]:
    """The cards at a path, in the order of the manifest or else of the file names; refused ones have an error."""
    manifest = manifest_at(path) or _only_table(path)
    if manifest is not None:
        return [_card(row, path) for row in manifest_rows(manifest)]
    found = cards_in_folder(path)
    rows: list[CardPair | Refused] = [*found.pairs, *found.refused]
    return [_card(row, path) for row in rows]


def _only_table(folder: Path) -> Path | None:
    """The one table of a folder, whatever its name; None if there is none or more than one."""
    tables = [file for file in folder.glob("*") if file.suffix.lower() in TABLE_SUFFIXES] if folder.is_dir() else []
    return tables[0] if len(tables) == 1 else None


def _card(row: CardPair | Refused, root: Path) -> BatchCard:
    """The card of a row; a refused one is named as it is within `root`, which may be a folder of the program's own."""
    if isinstance(row, Refused):
        name = (
            os.path.relpath(row.path, root.absolute()) if Path(row.path).is_relative_to(root.absolute()) else row.path
        )
        return BatchCard(row.card_id or Path(row.path).name, error=str(replace(row, path=name)))
    front, back = (None if path is None else str(path.absolute()) for path in (row.front, row.back))
    return BatchCard(row.card_id, front, back)


def _if_inside(card: BatchCard, folder: Path) -> BatchCard:
    """The card, refused if it names a picture outside the folder: an upload must not show this machine's files."""
    for path in (card.front, card.back):
        if path is not None and not Path(path).resolve().is_relative_to(folder.resolve()):
            return BatchCard(card.card_id, error=NOT_UPLOADED.format(card.card_id, Path(path).name))
    return card


def _free_name(path: Path) -> Path:
    """The path, with a number if there is a file of that name already."""
    names = (path.with_stem(f"{path.stem} ({number})") for number in count(2))
    return next(name for name in chain([path], names) if not name.exists())
