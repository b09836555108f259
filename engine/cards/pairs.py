"""Card pairs (front and back with a label), and the files that store them: manifest (CSV) and snapshot (JSON lines)."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Literal

from engine import paths
from engine.cards.grades import BadGrade, NoTarget, parse_grade, parse_qualifier, training_target
from engine.cards.table import BadManifest, Table, defuse_formula, read_table, unused_columns_message, write_table
from engine.image.content_hash import is_same_picture
from engine.storage.atomic import write_bytes
from engine.storage.file_hash import write_by_hash

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
REQUIRED_COLUMNS = ("card_id", "front")
COLUMNS = ("card_id", "front", "back", "grade", "group", "split", "cert", "game", "qualifier", "notes")
# A path without quotes, home folder, drive or scheme; its name is too short to be over the limit.
PLAIN_PATH = re.compile(r"(?P<folder>(?:[\w .()/+-]*/)?)(?P<name>[\w()+-][\w .()+-]{0,50})")
SAME_PICTURE = "has the same picture as front and back; give the other side"
SNAPSHOT_COLUMNS = (*COLUMNS, "front_sha256", "back_sha256")


@dataclass(frozen=True)
class CardPair:
    """One card: the paths of its pictures and its label. Either side may be None.

    synthetic      generated for training only; never in a manifest, a snapshot or a count of labels
    front_sha256   hash of the bytes of the front that was labelled, in a snapshot; "" if not recorded. A file with
                   another hash shows another picture, which the label does not describe
    back_sha256    the same of the back
    """

    card_id: str
    front: Path | None
    back: Path | None
    grade: float | None = None
    group: str = ""
    split: Split | None = None
    cert: str = ""
    game: str = ""
    qualifier: str | None = None
    notes: str = ""
    synthetic: bool = False
    front_sha256: str = ""
    back_sha256: str = ""

    @property
    def sides(self) -> list[tuple[Path, str]]:
        """Path and recorded hash of each picture that the card has, front first."""
        sides = ((self.front, self.front_sha256), (self.back, self.back_sha256))
        return [(path, sha256) for path, sha256 in sides if path is not None]

    @property
    def group_key(self) -> str:
        """Key of the cards that must stay in one split: the group, or the card's id if it has none."""
        return self.group or self.card_id

    def absolute(self) -> CardPair:
        """The same card with the paths of its pictures made absolute."""
        return replace(self, front=self.front and self.front.absolute(), back=self.back and self.back.absolute())

    def target(self) -> int | NoTarget:
        """Training class, 1 to 10, or NoTarget with the reason."""
        return training_target(self.grade, self.qualifier)

    @property
    def has_class(self) -> bool:
        """True if a model can be trained and evaluated on the card's label."""
        return not isinstance(self.target(), NoTarget)


@dataclass(frozen=True)
class Refused:
    """A row, picture or card that was not accepted, and the reason in one sentence.

    pictures        keys (`name_key`) of the names of the picture files that a refused row of a manifest names
    may_be_back_of  name of the card that the picture may be the back of, which its own name leaves open
    others          paths of the other pictures of a refused card
    """

    path: str
    reason: str
    card_id: str = ""
    pictures: frozenset[str] = frozenset()
    may_be_back_of: str = ""
    others: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Path and reason in one line; a file name at the start of the reason is not repeated."""
        return f"{self.path}: {self.reason.removeprefix(f'{Path(self.path).name}: ')}"


@dataclass(frozen=True)
class Manifest:
    """Contents of a manifest: its valid rows in order, the refused rows, and sentences for the user.

    separator, columns  of the table, see Table; empty for cards that no table lists
    """

    pairs: list[CardPair]
    refused: list[Refused]
    notices: list[str] = field(default_factory=list)
    separator: str = ""
    columns: list[tuple[str, str]] = field(default_factory=list)


def read_manifest(path: Path, *, progress: Callable[[int, int], None] | None = None) -> Manifest:
    """Read a manifest CSV; relative picture paths are relative to the manifest's folder.

    A bad row is refused with its line number, the others are read. Only two pictures of a card that are equally large
    are opened: they may be the same. Raises BadManifest if the file cannot be read or lacks the columns card_id and
    front.

    progress  called with (rows read, total rows)
    """
    table = _read_columns(path)
    rows = _manifest_rows(path, table, progress)
    pairs = [row for row in rows if isinstance(row, CardPair)]
    refused = [row for row in rows if isinstance(row, Refused)]
    return Manifest(pairs, refused, unused_columns_message(path, table), table.separator, table.columns)


def manifest_rows(path: Path) -> list[CardPair | Refused]:
    """Rows of a manifest in file order, each a pair or refused; otherwise as read_manifest."""
    return _manifest_rows(path, _read_columns(path))


def name_key(name: str) -> str:
    """Key of a card's name: composed and decomposed accents are equal, as are capital and small letters."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _read_columns(path: Path) -> Table:
    """The table of a manifest, its cells as they are written. Raises BadManifest."""
    return read_table(path, columns=COLUMNS, required=REQUIRED_COLUMNS)


def _manifest_rows(
    path: Path, table: Table, progress: Callable[[int, int], None] | None = None
) -> list[CardPair | Refused]:
    rows: list[CardPair | Refused] = []
    card_ids: set[str] = set()
    find_file = _file_finder(path.parent)
    for row in table.rows:
        if progress is not None:
            progress(len(rows), len(table.rows))
        try:
            if row.problem:
                raise BadManifest(row.problem)
            pair = _pair_from_row(row.cells, find_file)
            if pair.front is not None and pair.back is not None and is_same_picture(pair.front, pair.back):
                raise BadManifest(f"card {pair.card_id!r} {SAME_PICTURE}")
            card_key = unicodedata.normalize("NFC", pair.card_id)
            if card_key in card_ids:
                raise BadManifest(f"card_id {pair.card_id!r} occurs twice; give every card its own")
        except (BadGrade, BadManifest) as error:
            pictures = [name_key(Path(row.cells.get(side, "")).name) for side in ("front", "back")]
            card_id = row.cells.get("card_id", "")
            rows.append(Refused(f"{path.name}:{row.line}", str(error), card_id, frozenset(filter(None, pictures))))
        else:
            card_ids.add(card_key)
            rows.append(pair)
    return rows


def _file_finder(folder: Path) -> Callable[[str], Path]:
    """A function that returns the absolute path of a file that a row names, relative to the manifest's folder.

    A file whose name differs in its accents or its capitals only is found too. The folders, expanded and listed once,
    are looked up by their names: by the paths themselves, a table of 400,000 missing pictures took a minute.
    """

    @cache
    def folder_of(text: str) -> Path:
        return _absolute(folder, text)

    @cache
    def names_in(folder: Path) -> frozenset[str]:
        is_readable = folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)
        return frozenset(file.name for file in folder.iterdir()) if is_readable else frozenset()

    @cache
    def files_by_key(folder: Path) -> Mapping[str, list[str]]:
        files: dict[str, list[str]] = {}
        for name in names_in(folder):
            files.setdefault(name_key(name), []).append(name)
        return files

    def find_file(text: str) -> Path:
        if match := PLAIN_PATH.fullmatch(text):
            parent, name = folder_of(match["folder"]), match["name"]
        else:
            path = _absolute(folder, text)
            parent, name = path.parent, path.name
        if name not in names_in(parent):
            names = files_by_key(parent).get(name_key(name), [])
            name = names[0] if len(names) == 1 else name
        return parent / name

    return find_file


def _pair_from_row(row: Mapping[str, str], path_of: Callable[[str], Path]) -> CardPair:
    if not row.get("card_id"):
        raise BadManifest("card_id is empty; give every card an id")
    front, back = row.get("front", ""), row.get("back", "")
    if not front and not back:
        raise BadManifest(f"card {row['card_id']!r} has neither front nor back; give at least one picture")
    split = row.get("split", "").lower()
    if split and split not in SPLITS:
        raise BadManifest(f"split {split!r} is not known; use train, val, test, or leave it empty")
    return CardPair(
        card_id=row["card_id"],
        front=_resolve(front, path_of),
        back=_resolve(back, path_of),
        grade=parse_grade(row.get("grade")),
        group=row.get("group", ""),
        split=split or None,
        cert=row.get("cert", ""),
        game=row.get("game", ""),
        qualifier=parse_qualifier(row.get("qualifier")),
        notes=row.get("notes", ""),
        front_sha256=row.get("front_sha256", ""),
        back_sha256=row.get("back_sha256", ""),
    )


def _resolve(text: str, path_of: Callable[[str], Path]) -> Path | None:
    if not text:
        return None
    try:
        return path_of(text)
    except paths.BadPath as error:
        raise BadManifest(str(error)) from error
    except OSError as error:
        raise BadManifest(f"{text!r} cannot be looked up ({error.strerror}); check the path") from error


def _absolute(folder: Path, text: str) -> Path:
    return (folder / paths.expand_path(text)).absolute()


def write_manifest(path: Path, pairs: Iterable[CardPair], *, relative: bool = False) -> None:
    """Write pairs as a manifest atomically; read_manifest gives the same pairs back.

    relative  their paths are relative to the manifest's folder and written as they are, else absolute

    A cell that a spreadsheet would run as a formula gets an apostrophe, which read_manifest removes.
    """
    written = pairs if relative else (pair.absolute() for pair in pairs)
    write_table(path, COLUMNS, ([defuse_formula(cell) for cell in _as_row(pair, COLUMNS).values()] for pair in written))


def _as_row(pair: CardPair, columns: Iterable[str]) -> dict[str, str]:
    values = {name: getattr(pair, name) for name in columns}
    values["grade"] = None if pair.grade is None else f"{pair.grade:g}"
    return {name: "" if value is None else str(value) for name, value in values.items()}


def write_snapshot(path: Path, pairs: Iterable[CardPair]) -> None:
    """Write pairs as JSON lines with absolute paths and hashes, in order: the frozen input of a run."""
    write_bytes(path, _snapshot_lines(pairs))


def freeze_snapshot(folder: Path, pairs: Iterable[CardPair]) -> tuple[Path, str]:
    """Write a snapshot named by its content; returns its absolute path and its SHA-256."""
    return write_by_hash(folder, _snapshot_lines(pairs), ".jsonl")


def _snapshot_lines(pairs: Iterable[CardPair]) -> bytes:
    lines = (
        json.dumps(_as_row(pair.absolute(), SNAPSHOT_COLUMNS), ensure_ascii=False, sort_keys=True) for pair in pairs
    )
    return "".join(line + "\n" for line in lines).encode()


def read_snapshot(path: Path) -> list[CardPair]:
    """Read a file written by write_snapshot; raises BadManifest if a line is invalid."""
    try:
        # Not splitlines: it also splits at U+2028 and the like, which JSON leaves unescaped within strings.
        lines = path.read_text(encoding="utf-8").split("\n")
        path_of = partial(_absolute, path.parent)
        return [_pair_from_row(json.loads(line), path_of) for line in lines if line]
    except (OSError, ValueError, AttributeError, TypeError) as error:  # ValueError: not JSON, not UTF-8, a bad value
        raise BadManifest(f"{path}: is not a readable snapshot ({error}); freeze the labels again") from error
