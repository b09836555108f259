"""Export of all cards with their current labels and label histories."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from db.labels import named_events
from db.schema import LabelEvent
from db.session import Database
from engine.cards.pairs import COLUMNS as MANIFEST_COLUMNS
from engine.cards.pairs import CardPair, write_manifest
from engine.cards.table import write_parquet
from labeling.history_file import EVENT_COLUMNS, history_path, write_history
from labeling.snapshot import LeftOutCard, all_pairs
from labeling.splits import split_of

LabelForm = Literal["csv", "parquet", "folders", "imagefolder"]
LABEL_FORMS: tuple[LabelForm, ...] = get_args(LabelForm)
MANIFEST_NAME = "labels.csv"
METADATA_NAME = "metadata.jsonl"  # in the folder of each split, where Hugging Face's imagefolder looks for it
NO_GRADE = 0.0  # of a card without a grade in it: a column must have one type in all splits
HUGGING_FACE_SPLITS = {"train": "train", "val": "validation", "test": "test"}
NO_GRADE_FOLDER = "no-grade"
MAX_NAME = 80


@dataclass(frozen=True)
class Exported:
    """Result of an export: number of cards written, and the cards left out with a reason each."""

    cards: int
    left_out: list[LeftOutCard]


class ExportRefused(ValueError):
    """The target cannot be written; the message names it and the remedy."""


def export_labels(database: Database, target: Path, form: LabelForm = "csv") -> Exported:
    """Write all cards with their labels atomically.

    csv          a manifest, and its labels.history.csv; importing it into an empty database restores cards, labels,
                 histories, groups and fixed splits
    folders      a new folder with the pictures in psa1 .. psa10 and such a manifest
    imagefolder  the same in train, validation and test, with the metadata that Hugging Face's `imagefolder` reads
    parquet      a table of the manifest's columns and the history, for pandas and the like; not imported again

    A card whose file is missing or has changed is left out: elsewhere its label would be given to another picture.
    Raises ExportRefused if the target cannot be written, or is a folder that is not empty.
    """
    pairs, left_out = all_pairs(database)
    with database.reading() as session:
        known = {pair.card_id for pair in pairs}
        events = [(name, event) for name, event in named_events(session) if name in known]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if form == "csv":
            write_history(history_path(target), events)
            write_manifest(target, pairs)
        elif form == "parquet":
            write_parquet(target, _parquet_rows(pairs, events))
        else:
            _write_folder(target, pairs, events, _grade_folder if form == "folders" else _split_and_grade_folder)
    except OSError as error:
        raise ExportRefused(f"{target}: cannot be written ({error.strerror}); choose another path") from error
    except ImportError as error:
        raise ExportRefused('Parquet needs pyarrow: pip install -e ".[parquet]"; or export as CSV') from error
    return Exported(len(pairs), left_out)


def _write_folder(
    target: Path,
    pairs: Sequence[CardPair],
    events: Sequence[tuple[str, LabelEvent]],
    folder_of: Callable[[CardPair], Path],
) -> None:
    """Copy the pictures into folders below the target, beside a manifest; the target appears when it is complete."""
    if target.exists() and any(target.iterdir()):
        raise ExportRefused(f"{target}: is not empty; give a new folder, so that nothing in it is mixed or replaced")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as name:
        complete = Path(name) / target.name
        complete.mkdir()
        copied, metadata = [], defaultdict[str, list[dict[str, Any]]](list)
        for number, pair in enumerate(pairs, start=1):
            sides = {"front": pair.front, "back": pair.back}
            paths: dict[str, Path | None] = {}
            for side, source in sides.items():
                if source is None:
                    paths[side] = None
                    continue
                stem = re.sub(r"[^\w.-]+", "_", pair.card_id)[:MAX_NAME]
                path = folder_of(pair) / f"{number:06}_{stem}_{side}{source.suffix.lower()}"
                (complete / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, complete / path)
                paths[side] = path
                metadata[path.parts[0]].append(_metadata(path.relative_to(path.parts[0]), pair, side))
            copied.append(replace(pair, front=paths["front"], back=paths["back"]))
        write_manifest(complete / MANIFEST_NAME, copied, relative=True)
        write_history(history_path(complete / MANIFEST_NAME), events)
        if folder_of is _split_and_grade_folder:
            for split, rows in metadata.items():
                lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
                (complete / split / METADATA_NAME).write_text(lines, encoding="utf-8")
        if target.exists():
            target.rmdir()
        complete.rename(target)


def _metadata(path: Path, pair: CardPair, side: str) -> dict[str, Any]:
    """Fields of a picture that Hugging Face's `imagefolder` reads."""
    grade = NO_GRADE if pair.grade is None else float(pair.grade)
    label = {"grade": grade, "qualifier": pair.qualifier or "", "game": pair.game or "", "group": pair.group_key}
    return {"file_name": path.as_posix(), "card_id": pair.card_id, "side": side, **label}


def _grade_folder(pair: CardPair) -> Path:
    return Path(NO_GRADE_FOLDER if pair.grade is None else f"psa{pair.grade:g}")


def _split_and_grade_folder(pair: CardPair) -> Path:
    return Path(HUGGING_FACE_SPLITS[pair.split or split_of(pair.group_key)]) / _grade_folder(pair)


def _parquet_rows(pairs: Sequence[CardPair], events: Iterable[tuple[str, LabelEvent]]) -> list[dict[str, Any]]:
    """The columns of the manifest, and the label events of each card, oldest first, in `history`."""
    history: dict[str, list[dict[str, Any]]] = {pair.card_id: [] for pair in pairs}
    for name, event in events:
        history[name].append({column: getattr(event, column) for column in EVENT_COLUMNS})
    rows = []
    for pair in pairs:
        row = {name: getattr(pair, name) for name in MANIFEST_COLUMNS}
        paths = {side: path and str(path) for side, path in (("front", pair.front), ("back", pair.back))}
        rows.append({**row, **paths, "history": history[pair.card_id]})
    return rows
