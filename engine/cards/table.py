"""Tables of cards as people save them: CSV in UTF-8 or UTF-16, separated by commas, semicolons, tabs or bars."""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from engine.errors import BadInput
from engine.paths import unreadable_reason
from engine.storage.atomic import atomic_write

# Some 400,000 cards; read into memory at once.
MAX_TABLE_BYTES = 64_000_000
SEPARATORS = ",;\t|"
SEPARATOR_LINE = re.compile(r"\"?sep=([,;|:\t ])\"?(?:\r?\n|\r)", re.IGNORECASE)  # Excel's first line
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Room for the empty columns that spreadsheets add.
MAX_HEADER_LETTERS, MAX_NAMED_COLUMNS = 20_000, 20
MIN_SIMILARITY = 0.8  # of a mistyped column name: "grades" to "grade" is .91
# A spreadsheet runs a cell that begins with one of these as a formula; the last four are the full-width forms.
FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")


class BadManifest(BadInput):
    """A table or snapshot of cards that cannot be read as a whole; the message names the file and the remedy."""


@dataclass(frozen=True)
class Row:
    """A row of a table: its line in the file, its cells by column, and the reason why it cannot be used, if any."""

    line: int
    cells: dict[str, str]
    problem: str = ""


@dataclass(frozen=True)
class Table:
    """The rows of a table.

    separator  between the cells
    columns    (cell of the first line, the known column it names or "" if it is not used) of each named column
    """

    rows: list[Row]
    separator: str
    columns: list[tuple[str, str]]

    @property
    def unknown_columns(self) -> list[str]:
        """The columns that are not used, as they are written in the first line."""
        return [cell for cell, name in self.columns if not name]


def read_table(path: Path, *, columns: Sequence[str], required: Sequence[str]) -> Table:
    """Read a CSV file whose first line names its columns, in any case, with blanks or hyphens for underscores.

    columns   known columns; the others are not read
    required  columns that the file must have
    raises    BadManifest if the file cannot be read, lacks a required column, or names a column twice

    A column that is not known, but looks like a missing one ("grades"), is refused, so that it is not lost.
    """
    text = _decode(path, _read_bytes(path))
    separator_line = SEPARATOR_LINE.match(text)
    skipped = 0  # lines before the first one
    if separator_line:
        text, skipped = text[separator_line.end() :], 1
    first_line = re.split(r"[\r\n]", text, maxsplit=1)[0]
    if len(first_line) > MAX_HEADER_LETTERS:
        raise BadManifest(
            f"{path}: the first line has {len(first_line)} letters, and is to name the columns; check that file"
        )
    try:
        separator = separator_line[1] if separator_line else _separator(first_line, columns)
        lines = _read_lines(path, text, separator, skipped)
    except csv.Error as error:
        raise BadManifest(f"{path}: is not a CSV file in UTF-8; save it as CSV (UTF-8) ({error})") from error
    header = lines[0][1] if lines else []
    names = [_column_name(cell) for cell in header]
    _check_columns(path, header, names, columns, required)
    rows = [_row(line, names, cells) for line, cells in lines[1:] if any(map(str.strip, cells))]
    named = zip(header, names, strict=True)
    return Table(rows, separator, [(cell.strip(), name if name in columns else "") for cell, name in named if name])


def unused_columns_message(path: Path, table: Table) -> list[str]:
    """The sentence that names the unknown columns of a table; none if all are known."""
    if not table.unknown_columns:
        return []
    more = len(table.unknown_columns) - MAX_NAMED_COLUMNS
    names = ", ".join(map(repr, table.unknown_columns[:MAX_NAMED_COLUMNS])) + (f" and {more} more" if more > 0 else "")
    return [f"{path.name}: not used, because the name of the column is not known: {names}"]


def write_table(
    path: Path, columns: Sequence[str], rows: Iterable[Iterable[object]], *, encoding: str = "utf-8"
) -> None:
    """Write a CSV file atomically; `defuse_formula` is for the caller. Raises DiskFull."""
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def write_parquet(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows as a Parquet file atomically. Raises DiskFull, and ImportError without pyarrow."""
    import pandas  # noqa: PLC0415 - takes half a second to load

    with atomic_write(path) as temporary:
        pandas.DataFrame(rows).to_parquet(temporary)


def defuse_formula(text: str) -> str:
    """Put an apostrophe before a cell that a spreadsheet would run as a formula; `read_table` removes it."""
    return f"'{text}" if FORMULA.match(text) else text


def without_apostrophe(text: str) -> str:
    """The cell before `defuse_formula`."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def _read_bytes(path: Path) -> bytes:
    try:
        if reason := unreadable_reason(path, MAX_TABLE_BYTES):
            raise BadManifest(f"{path}: {reason}")
        with path.open("rb") as file:
            content = file.read(MAX_TABLE_BYTES + 1)  # a file of /proc has a size of 0 and may be endless
    except OSError as error:
        raise BadManifest(f"{path}: cannot be read ({error.strerror}); check the path") from error
    return content


def _decode(path: Path, content: bytes) -> str:
    """The text of a file in UTF-8 or UTF-16. Other encodings are refused: guessed letters would be wrong in silence."""
    encoding = "utf-16" if content.startswith(UTF_16_MARKS) else _encoding_without_mark(content)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise BadManifest(
            f"{path}: is not a CSV file in UTF-8; save it as CSV (UTF-8), in Excel 'CSV UTF-8' (line {line})"
        ) from error


def _encoding_without_mark(content: bytes) -> str:
    """UTF-16 if every second byte of the beginning is zero, as in Latin letters of UTF-16; else UTF-8."""
    start = content[:64]
    if len(start) >= 4 and not any(start[1::2]):
        return "utf-16-le"
    return "utf-16-be" if len(start) >= 4 and not any(start[::2]) else "utf-8-sig"


def _read_lines(path: Path, text: str, separator: str, skipped: int) -> list[tuple[int, list[str]]]:
    """The cells of each row with the number of its last line, the header first; `skipped` lines are before the text.

    A quote that is left open makes one cell of the rows up to the next quote, or of all that follow. A table with cells
    of several lines is read only if all of its quotes match. Raises BadManifest if they do not; csv.Error.
    """
    # `newline=""` keeps the line breaks within cells as they are.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    lines = [(reader.line_num + skipped, cells) for cells in reader]
    if not any("\n" in cell or "\r" in cell for _, cells in lines for cell in cells):
        return lines
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    end = 0
    try:
        for _ in reader:
            end = reader.line_num
    except csv.Error as error:
        begin = end + skipped + 1
        raise BadManifest(
            f"{path}: the quotes of the row that begins in line {begin} do not match; close the open one, or remove it"
        ) from error
    return lines


def _separator(first_line: str, columns: Sequence[str]) -> str:
    """The separator with which the first line names the most known columns; a comma if none names any."""

    def known_columns(separator: str) -> int:
        cells = next(csv.reader([first_line], delimiter=separator), [])
        return sum(_column_name(cell) in columns for cell in cells)

    return max(SEPARATORS, key=known_columns)  # the first of equals, the comma


def _column_name(cell: str) -> str:
    """A column's name as this program writes it: " Card ID" -> "card_id"."""
    return re.sub(r"[\s_-]+", "_", unicodedata.normalize("NFC", cell).strip().casefold()).strip("_")


def _check_columns(
    path: Path, header: Sequence[str], names: Sequence[str], columns: Sequence[str], required: Sequence[str]
) -> None:
    """Raise BadManifest for a column that occurs twice, looks like another one, or is missing."""
    for name, count in Counter(names).items():
        if name in columns and count > 1:
            raise BadManifest(f"{path}: the column {name!r} occurs {count} times; keep one of them")
    absent = [name for name in columns if name not in names]
    for cell, name in zip(header, names, strict=True):
        if not name or name in columns:
            continue
        words = [word for word in re.split(r"[\W_]+", name) if word in absent]
        if meant := [*words, *get_close_matches(name, absent, n=1, cutoff=MIN_SIMILARITY)]:
            raise BadManifest(
                f"{path}: the column {cell.strip()!r} is not known; name it {meant[0]!r} if that is meant, "
                "else remove it"
            )
    if missing := [name for name in required if name not in names]:
        expected = ", ".join(dict.fromkeys((*required, *columns[:4])))
        raise BadManifest(f"{path}: the column {missing[0]!r} is missing; the first line must name {expected}")


def _row(line: int, names: Sequence[str], cells: Sequence[str]) -> Row:
    """A row; cells beyond the columns are a problem, because an unquoted comma has moved the others."""
    stripped = [without_apostrophe(cell.strip()) for cell in cells]
    extra = [cell for cell in stripped[len(names) :] if cell]
    problem = (
        f"has {len(cells)} cells, but the first line names {len(names)} columns; "
        "put quotes around a cell that contains the separator"
        if extra
        else ""
    )
    return Row(line, {name: cell for name, cell in zip(names, stripped, strict=False) if name}, problem)
