"""Pictures decoded, found and rectified once: uint8 arrays of one shape in one growing memory map.

Beside the pixels lies a journal with a line a picture: its content hash, row and checksum, or why it could not be used.
A row counts only once its line stands, so a fill can be killed at any moment and goes on where it was; a row whose
pixels do not match its line is never read, and its picture is prepared again, into a row of its own.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np

from engine.config import Seen
from engine.data.controls import CANVASES
from engine.detection.find_card import bounds
from engine.detection.read_and_find import find_and_prepare, prepare
from engine.image.detection import Kind
from engine.image.read import BadPicture, picture_size
from engine.storage.jsonl import Journal

# Part of every cache's name: raise it when reading, finding or rectifying changes what the pixels are, or whether there
# are any.
PREPARATION = 4
CHUNK = 64
# A row beyond this is a damaged line, not a picture.
MOST_ROWS = 10_000_000


class PictureMap:
    """An array for each of a set of pictures; `fill` before reading, then look up by path."""

    def __init__(self, folder: Path, pictures: Sequence[Path], name: str, shape: tuple[int, ...]) -> None:
        """`folder` is made where it is missing; pictures are known by their content, whatever their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        self._shape = shape
        self.refused: dict[Path, str] = {}
        self._hash_of: dict[Path, str] = {}
        for path in pictures:
            self._identify(path)
        self._journal, self._file = Journal(folder / f"{name}.jsonl"), folder / f"{name}.u8"
        self._row_of: dict[str, int] = {}
        self._told: dict[str, dict[str, Any]] = {}

    def _identify(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._hash_of[path] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            self.refused[path] = f"{path.name}: cannot be read ({error.strerror}); check that it is still there"

    def made(self, path: Path) -> tuple[np.ndarray, dict[str, Any]]:
        """A picture's array, of the map's shape, and what its line tells beside; raises BadPicture."""
        raise NotImplementedError

    def fill(self, threads: int | None = None) -> Iterator[tuple[int, int]]:
        """Prepare what is not yet there, in parallel; yields (done, total) after every chunk of pictures.

        One fill of a map at a time: another, in this process or the next, waits, and says so by yielding (0, total).
        """
        path_of = {content: path for path, content in self._hash_of.items()}
        while not self._journal.locked():
            yield 0, len(path_of)
        try:
            yield from self._fill(path_of, threads)
        finally:
            self._journal.release()

    def _fill(self, path_of: dict[str, Path], threads: int | None) -> Iterator[tuple[int, int]]:
        lines = list(self._journal.lines())
        rows = 1 + max((line["row"] for line in lines if _is_row(line)), default=-1)
        self._pixels = _memory_map(self._file, (rows + len(path_of), *self._shape))
        reasons = self._trusted(lines)
        todo = [(content, path) for content, path in sorted(path_of.items()) if content not in reasons]
        self._row_of |= {content: rows + place for place, (content, _) in enumerate(todo)}
        with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
            for start in range(0, len(todo), CHUNK):
                chunk = todo[start : start + CHUNK]
                lines = list(pool.map(lambda item: self._prepare(*item), chunk))
                self._pixels.flush()
                self._journal.add(lines)
                reasons |= {line["sha256"]: line.get("refused") for line in lines}
                yield len(reasons), len(path_of)
        for path, content in self._hash_of.items():
            if reason := reasons[content]:
                self.refused[path] = f"{path.name}: {reason}"

    def _prepare(self, content: str, path: Path) -> dict[str, Any]:
        try:
            array, told = self.made(path)
        except BadPicture as error:
            # Without the name: equal pictures share the line, whatever they are called.
            return {"sha256": content, "refused": str(error).removeprefix(f"{path.name}: ")}
        row = self._row_of[content]
        self._pixels[row] = array
        self._told[content] = told
        return {"sha256": content, "row": row, "crc": zlib.crc32(np.ascontiguousarray(array).data), "told": told}

    def _trusted(self, lines: list[Any]) -> dict[str, str | None]:
        """Pictures whose line stands and whose pixels match it: content hash -> why it was refused, or None."""
        asked, trusted = set(self._hash_of.values()), dict[str, str | None]()
        for line in lines:
            match line:
                case {"sha256": str(content), "refused": str(reason)} if content in asked:
                    trusted[content] = reason
                case {"sha256": str(content), "crc": int(crc), "told": dict(told)} if content in asked and _is_row(
                    line
                ):
                    if zlib.crc32(self._pixels[line["row"]].data) == crc:
                        trusted[content] = None
                        self._row_of[content], self._told[content] = line["row"], told
        return trusted

    def __contains__(self, path: Path | None) -> bool:
        return path is not None and path in self._hash_of and path not in self.refused

    def __getitem__(self, path: Path) -> np.ndarray:
        """The array of a picture, uint8, read-only by intent: copy before changing it."""
        return self._pixels[self._row_of[self._hash_of[path]]]

    def __getstate__(self) -> dict[str, Any]:
        """All but the pixels, for a process that loads cards: it is started anew where processes are not forked."""
        return {**self.__dict__, "_pixels": self._pixels.shape}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A filled map again, its file opened to be read."""
        self.__dict__.update(state)
        self._pixels = np.memmap(self._file, np.uint8, "r", shape=state["_pixels"])

    def content(self, path: Path) -> str:
        """SHA-256 of the picture's bytes, 64 hex digits."""
        return self._hash_of[path]

    def told(self, path: Path) -> dict[str, Any]:
        """What the picture's line tells beside its pixels."""
        return self._told[self._hash_of[path]]


class PixelCache(PictureMap):
    """The canvases of a set of pictures, (S, S, 3) uint8, and where the card was found in each."""

    def __init__(
        self,
        folder: Path,
        pictures: list[Path],
        size: int,
        *,
        cropped: Collection[Path] = (),
        seen: Seen = "card",
    ) -> None:
        """In `cropped` pictures no card is looked for: all of the picture is the card.

        `seen` other than the card is for controls (engine.data.controls); each kind has a map of its own.
        """
        name = f"prepared_{PREPARATION}_{size}px{'' if seen == 'card' else f'_{seen}'}"
        super().__init__(folder, pictures, name, (size, size, 3))
        self._size, self._seen = size, seen
        self._cropped = frozenset(cropped)

    def made(self, path: Path) -> tuple[np.ndarray, dict[str, Any]]:
        """The picture's canvas, and the quad and kind of what was found in it; a control is told neither."""
        if path in self._cropped:
            quad = bounds(picture_size(path))
            return prepare(path, quad, size=self._size), {"quad": quad.tolist(), "kind": "scan"}
        if self._seen != "card":
            return CANVASES[self._seen](path, size=self._size), {}
        canvas, found = find_and_prepare(path, size=self._size)
        return canvas, {"quad": found.quad.tolist(), "kind": found.kind}

    def quad(self, path: Path) -> np.ndarray:
        """Where the card lies in the upright picture: (4, 2) pixels, clockwise from the printed top left."""
        return np.array(self.told(path)["quad"], np.float64)

    def kind(self, path: Path) -> Kind:
        """Scan, photo or slab."""
        return cast(Kind, self.told(path)["kind"])


def _is_row(line: Any) -> bool:
    match line:
        case {"row": int(row)}:
            return 0 <= row < MOST_ROWS
    return False


def _memory_map(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """The file at least that large, what is new in it zero; what the file system does not need it does not store."""
    with path.open("ab") as file:
        file.truncate(max(int(np.prod(shape)), file.tell(), 1))
    return np.memmap(path, np.uint8, "r+", shape=shape)
