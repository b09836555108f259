"""Card pairs (front and back with a label), and the files that store them: manifest (CSV) and snapshot (JSON lines)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from engine import paths
from engine.cards.grades import BadGrade, NoTarget, parse_grade, parse_qualifier, training_target
from engine.errors import BadInput

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
REQUIRED_COLUMNS = ("card_id", "front")
COLUMNS = ("card_id", "front", "back", "grade", "group", "split", "cert", "game", "qualifier", "notes")


class BadManifest(BadInput):
    """A manifest or snapshot that cannot be read as a whole; the message names the file and the remedy."""


@dataclass(frozen=True)
class CardPair:
    """One card: the paths of its pictures and its label. Either side may be None.

    synthetic  generated for training only; never in a manifest, a snapshot or a count of labels
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
    """A row, picture or card that was not accepted, and the reason in one sentence."""

    path: str
    reason: str
    card_id: str = ""

    def __str__(self) -> str:
        """Path and reason in one line; a file name at the start of the reason is not repeated."""
        return f"{self.path}: {self.reason.removeprefix(f'{Path(self.path).name}: ')}"


@dataclass(frozen=True)
class Manifest:
    """Contents of a manifest: its valid rows in order, and the refused rows."""

    pairs: list[CardPair]
    refused: list[Refused]


def read_manifest(path: Path) -> Manifest:
    """Read a manifest CSV; relative picture paths are relative to the manifest's folder.

    A bad row is refused with its line number, the others are read; pictures are not opened. Raises BadManifest if the
    file cannot be read or lacks the columns card_id and front.
    """
    rows = manifest_rows(path)
    pairs = [row for row in rows if isinstance(row, CardPair)]
    return Manifest(pairs, [row for row in rows if isinstance(row, Refused)])


def manifest_rows(path: Path) -> list[CardPair | Refused]:
    """Rows of a manifest in file order, each a pair or refused; otherwise as read_manifest."""
    rows: list[CardPair | Refused] = []
    card_ids: set[str] = set()
    for line, row in _read_rows(path):
        try:
            pair = _pair_from_row(row, path.parent)
            if pair.card_id in card_ids:
                raise BadManifest(f"card_id {pair.card_id!r} occurs twice; give every card its own")
        except (BadGrade, BadManifest) as error:
            rows.append(Refused(f"{path.name}:{line}", str(error), row["card_id"]))
        else:
            card_ids.add(pair.card_id)
            rows.append(pair)
    return rows


def _read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = [(reader.line_num, {k: (v or "").strip() for k, v in row.items() if k}) for row in reader]
            columns = reader.fieldnames or []
    except OSError as error:
        raise BadManifest(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadManifest(f"{path}: is not a CSV file in UTF-8; save it as CSV (UTF-8)") from error
    missing = [name for name in REQUIRED_COLUMNS if name not in columns]
    if missing:
        raise BadManifest(
            f"{path}: the column {missing[0]!r} is missing; the first line must name {', '.join(COLUMNS[:4])}"
        )
    return rows


def _pair_from_row(row: dict[str, str], folder: Path) -> CardPair:
    if not row["card_id"]:
        raise BadManifest("card_id is empty; give every card an id")
    if not row["front"] and not row.get("back"):
        raise BadManifest(f"card {row['card_id']!r} has neither front nor back; give at least one picture")
    split = row.get("split", "").lower()
    if split and split not in SPLITS:
        raise BadManifest(f"split {split!r} is not known; use train, val, test, or leave it empty")
    return CardPair(
        card_id=row["card_id"],
        front=_resolve(row["front"], folder),
        back=_resolve(row.get("back", ""), folder),
        grade=parse_grade(row.get("grade")),
        group=row.get("group", ""),
        split=split or None,
        cert=row.get("cert", ""),
        game=row.get("game", ""),
        qualifier=parse_qualifier(row.get("qualifier")),
        notes=row.get("notes", ""),
    )


def _resolve(text: str, folder: Path) -> Path | None:
    if not text:
        return None
    try:
        return (folder / paths.expand_path(text)).absolute()
    except paths.BadPath as error:
        raise BadManifest(str(error)) from error


def write_manifest(path: Path, pairs: Iterable[CardPair]) -> None:
    """Write pairs as a manifest with absolute paths; read_manifest gives the same pairs back."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(_as_row(pair) for pair in pairs)


def _as_row(pair: CardPair) -> dict[str, str]:
    values = {name: getattr(pair.absolute(), name) for name in COLUMNS}
    values["grade"] = None if pair.grade is None else f"{pair.grade:g}"
    return {name: "" if value is None else str(value) for name, value in values.items()}


def write_snapshot(path: Path, pairs: Iterable[CardPair]) -> None:
    """Write pairs as JSON lines with absolute paths, in order: the frozen input of a run."""
    lines = [json.dumps(_as_row(pair), ensure_ascii=False, sort_keys=True) for pair in pairs]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")


def read_snapshot(path: Path) -> list[CardPair]:
    """Read a file written by write_snapshot; raises BadManifest if a line is invalid."""
    try:
        # Not splitlines: it also splits at U+2028 and the like, which JSON leaves unescaped within strings.
        lines = path.read_text(encoding="utf-8").split("\n")
        return [_pair_from_row(json.loads(line), path.parent) for line in lines if line]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, BadGrade, BadManifest) as error:
        raise BadManifest(f"{path}: is not a readable snapshot ({error}); freeze the labels again") from error
