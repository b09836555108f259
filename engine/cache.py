"""Pictures decoded, found and rectified once: uint8 canvases in one growing memory map for each size of canvas.

Beside the pixels lies a journal with a line a picture: its content hash, row and checksum, or why it could not be used.
A row counts only once its line stands, so a fill can be killed at any moment and goes on where it was; a row whose
pixels do not match its line is never read, and its picture is prepared again, into a row of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from engine.config import Seen
from engine.image.find import bounds
from engine.image.prepare import find_and_prepare, prepare
from engine.image.read import BadPicture, picture_size
from engine.image.seen import CANVASES

# Part of every cache's name: raise it when reading, finding or rectifying changes what the pixels are.
PREPARATION = 2
CHUNK = 64
# A row beyond this is a damaged line, not a picture.
MOST_ROWS = 10_000_000
WAIT_S = 1.0


class PixelCache:
    """The canvases of a set of pictures; `fill` before reading, then look up by path."""

    def __init__(
        self,
        folder: Path,
        pictures: list[Path],
        size: int,
        *,
        cropped: Collection[Path] = (),
        seen: Seen = "card",
    ) -> None:
        """`folder` is made where it is missing; pictures are known by their content, whatever their paths.

        In `cropped` ones no card is looked for: all of the picture is the card. `seen` other than the card is for
        controls (engine.image.seen); each kind has a map of its own.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._size = size
        self._cropped = frozenset(cropped)
        self._seen = seen
        self.refused: dict[Path, str] = {}
        self._hash_of: dict[Path, str] = {}
        for path in pictures:
            self._identify(path)
        name = f"prepared_{PREPARATION}_{size}px{'' if seen == 'card' else f'_{seen}'}"
        self._journal, self._file = folder / f"{name}.jsonl", folder / f"{name}.u8"
        self._lock = FileLock(folder / f"{name}.lock")
        self._row_of: dict[str, int] = {}

    def _identify(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._hash_of[path] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            self.refused[path] = f"{path.name}: cannot be read ({error.strerror}); check that it is still there"

    def fill(self, threads: int | None = None) -> Iterator[tuple[int, int]]:
        """Prepare what is not yet there, in parallel; yields (done, total) after every chunk of pictures.

        One fill of a size at a time: another, in this process or the next, waits, and says so by yielding (0, total).
        """
        path_of = {content: path for path, content in self._hash_of.items()}
        while not self._locked():
            yield 0, len(path_of)
        try:
            yield from self._fill(path_of, threads)
        finally:
            self._lock.release()

    def _locked(self) -> bool:
        try:
            self._lock.acquire(timeout=WAIT_S)
        except Timeout:
            return False
        return True

    def _fill(self, path_of: dict[str, Path], threads: int | None) -> Iterator[tuple[int, int]]:
        lines = list(_whole_lines(self._journal))
        rows = 1 + max((line["row"] for line in lines if _is_row(line)), default=-1)
        self._pixels = _memory_map(self._file, (rows + len(path_of), self._size, self._size, 3))
        reasons = self._trusted(lines)
        todo = [(content, path) for content, path in sorted(path_of.items()) if content not in reasons]
        self._row_of |= {content: rows + place for place, (content, _) in enumerate(todo)}
        with (
            ThreadPoolExecutor(threads or os.cpu_count()) as pool,
            self._journal.open("a", encoding="utf-8") as journal,
        ):
            for start in range(0, len(todo), CHUNK):
                chunk = todo[start : start + CHUNK]
                lines = list(pool.map(lambda item: self._prepare(*item), chunk))
                self._pixels.flush()
                # The line break comes first: it also ends a line that an earlier kill has torn.
                journal.writelines("\n" + json.dumps(line) for line in lines)
                journal.flush()
                reasons |= {line["sha256"]: line.get("refused") for line in lines}
                yield len(reasons), len(path_of)
        for path, content in self._hash_of.items():
            if reason := reasons[content]:
                self.refused[path] = f"{path.name}: {reason}"

    def _prepare(self, content: str, path: Path) -> dict[str, Any]:
        try:
            if path in self._cropped:
                canvas = prepare(path, bounds(picture_size(path)), size=self._size)
            elif self._seen == "card":
                canvas, _ = find_and_prepare(path, size=self._size)
            else:
                canvas = CANVASES[self._seen](path, size=self._size)
        except BadPicture as error:
            # Without the name: equal pictures share the line, whatever they are called.
            return {"sha256": content, "refused": str(error).removeprefix(f"{path.name}: ")}
        row = self._row_of[content]
        self._pixels[row] = canvas
        return {"sha256": content, "row": row, "crc": zlib.crc32(canvas.data)}

    def _trusted(self, lines: list[Any]) -> dict[str, str | None]:
        """Pictures whose line stands and whose pixels match it: content hash -> why it was refused, or None."""
        asked, trusted = set(self._hash_of.values()), dict[str, str | None]()
        for line in lines:
            match line:
                case {"sha256": str(content), "refused": str(reason)} if content in asked:
                    trusted[content] = reason
                case {"sha256": str(content), "crc": int(crc)} if content in asked and _is_row(line):
                    if zlib.crc32(self._pixels[line["row"]].data) == crc:
                        trusted[content] = None
                        self._row_of[content] = line["row"]
        return trusted

    def __contains__(self, path: Path | None) -> bool:
        return path is not None and path in self._hash_of and path not in self.refused

    def __getitem__(self, path: Path) -> np.ndarray:
        """The canvas of a picture, (S, S, 3) uint8, read-only by intent: copy before changing it."""
        return self._pixels[self._row_of[self._hash_of[path]]]


def _is_row(line: Any) -> bool:
    match line:
        case {"row": int(row)}:
            return 0 <= row < MOST_ROWS
    return False


def _memory_map(path: Path, shape: tuple[int, int, int, int]) -> np.memmap:
    """The file at least that large, what is new in it zero; what the file system does not need it does not store."""
    with path.open("ab") as file:
        file.truncate(max(int(np.prod(shape)), file.tell(), 1))
    return np.memmap(path, np.uint8, "r+", shape=shape)


def _whole_lines(journal: Path) -> Iterator[Any]:
    """What the journal's readable lines hold; torn and damaged ones are passed over, their pictures prepared again."""
    if not journal.exists():
        return
    for line in journal.read_bytes().split(b"\n"):
        try:
            yield json.loads(line)
        except ValueError:  # no JSON, or no text at all
            continue
