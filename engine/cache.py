"""Every picture of a run decoded, found and rectified once: uint8 canvases in one memory map.

Beside the pixels lies a journal with a line a picture: its row and checksum, or why it could not be used. A row
counts only once its line stands, so a fill can be killed at any moment and goes on where it was; a row whose pixels
do not match its line is prepared again, never read.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from engine.image.prepare import find_and_prepare
from engine.image.read import BadPicture

# Part of every cache's name: raise it when reading, finding or rectifying changes what the pixels are.
PREPARATION = 2
CHUNK = 64


class PixelCache:
    """The canvases of a set of pictures; `fill` before reading, then look up by path."""

    def __init__(self, folder: Path, pictures: list[Path], size: int) -> None:
        """`folder` is made where it is missing; equal pictures at equal size share one file, whatever their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        self._size = size
        self.refused: dict[Path, str] = {}
        self._hash_of: dict[Path, str] = {}
        for path in pictures:
            self._identify(path)
        hashes = sorted(set(self._hash_of.values()))
        self._row_of = {content: row for row, content in enumerate(hashes)}
        name = hashlib.sha256("\n".join([f"{PREPARATION} {size}", *hashes]).encode()).hexdigest()[:16]
        self._journal = folder / f"{name}.jsonl"
        self._pixels = _memory_map(folder / f"{name}.u8", (max(len(hashes), 1), size, size, 3))

    def _identify(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._hash_of[path] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            self.refused[path] = f"{path.name}: cannot be read ({error.strerror}); check that it is still there"

    def fill(self, threads: int | None = None) -> Iterator[tuple[int, int]]:
        """Prepare what is not yet there, in parallel; yields (done, total) after every chunk of pictures."""
        reasons = self._trusted()
        one_path = {content: path for path, content in self._hash_of.items()}
        todo = [(content, path) for content, path in sorted(one_path.items()) if content not in reasons]
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
                yield len(reasons), len(one_path)
        for path, content in self._hash_of.items():
            if reason := reasons[content]:
                self.refused[path] = f"{path.name}: {reason}"

    def _prepare(self, content: str, path: Path) -> dict[str, Any]:
        try:
            canvas, _ = find_and_prepare(path, size=self._size)
        except BadPicture as error:
            # Without the name: equal pictures share the line, whatever they are called.
            return {"sha256": content, "refused": str(error).removeprefix(f"{path.name}: ")}
        self._pixels[self._row_of[content]] = canvas
        return {"sha256": content, "crc": zlib.crc32(canvas.data)}

    def _trusted(self) -> dict[str, str | None]:
        """Pictures whose line stands and whose pixels match it: content hash -> why it was refused, or None."""
        trusted: dict[str, str | None] = {}
        for line in _whole_lines(self._journal):
            match line:
                case {"sha256": str(content), "refused": str(reason)} if content in self._row_of:
                    trusted[content] = reason
                case {"sha256": str(content), "crc": int(crc)} if content in self._row_of:
                    if zlib.crc32(self._pixels[self._row_of[content]].data) == crc:
                        trusted[content] = None
        return trusted

    def __contains__(self, path: Path | None) -> bool:
        return path is not None and path in self._hash_of and path not in self.refused

    def __getitem__(self, path: Path) -> np.ndarray:
        """The canvas of a picture, (S, S, 3) uint8, read-only by intent: copy before changing it."""
        return self._pixels[self._row_of[self._hash_of[path]]]


def _memory_map(path: Path, shape: tuple[int, int, int, int]) -> np.memmap:
    with path.open("ab") as file:
        file.truncate(int(np.prod(shape)))
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
