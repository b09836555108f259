"""Cache of decoded, detected and rectified pictures: uint8 arrays of one shape in a growing memory map.

A JSON-lines journal has one line per picture: content hash, row and checksum, or the reason it could not be used. A row
is valid only once its line is written, so that a fill can be killed at any time and resumed. A row whose pixels do not
match the checksum is ignored, and its picture is prepared again into a new row.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from engine.config import InputRegion
from engine.data.controls import CANVASES
from engine.detection.find_card import picture_bounds
from engine.detection.read_and_find import canvas_from_picture, canvas_from_quad
from engine.image.content_hash import CHANGED, ChangedPicture, check_content, content_hash
from engine.image.detection import PictureKind
from engine.image.read import BadPicture, picture_size
from engine.image.rectify import CanvasSize, canvas_shape
from engine.storage.disk_space import DiskFull, reserve, translate_disk_full
from engine.storage.jsonl import JsonLinesFile

# Part of every cache's name: increase it when a change of reading, detection or rectification changes the pixels, or
# the set of usable pictures.
PREPARATION = 7
CHUNK, FIRST_CHUNK = 64, 8  # pictures
MAX_CHUNK_S = 2.0
Item = TypeVar("Item")
# A larger row number comes from a damaged line.
MAX_ROWS = 10_000_000


class MemmapCache:
    """One array per picture, in a memory map; `fill` before reading, then look up by path."""

    def __init__(self, folder: Path, pictures: Sequence[Path], name: str, shape: tuple[int, ...]) -> None:
        """Create the cache in `folder`, creating it if missing; pictures are identified by content, not by path."""
        folder.mkdir(parents=True, exist_ok=True)
        self._shape = shape
        self.refused: dict[Path, str] = {}
        self._hash_of: dict[Path, str] = {}
        for path in pictures:
            self._identify(path)
        self._journal, self._file = JsonLinesFile(folder / f"{name}.jsonl"), folder / f"{name}.u8"
        self._row_of: dict[str, int] = {}
        self._extras: dict[str, dict[str, Any]] = {}

    def _identify(self, path: Path) -> None:
        try:
            self._hash_of[path] = content_hash(path)
        except BadPicture as error:
            self.refused[path] = str(error)

    def compute(self, path: Path) -> tuple[np.ndarray, dict[str, Any]]:
        """Compute a picture's array, of the cache's shape, and extra values for its line; raises BadPicture."""
        raise NotImplementedError

    def fill(self, threads: int | None = None) -> Iterator[tuple[int, int]]:
        """Prepare the pictures not yet in the cache, in parallel; yields (done, total) after every chunk.

        One fill at a time: a second one, in this or another process, yields (0, total) while it waits. Raises DiskFull.
        """
        path_of = {content: path for path, content in self._hash_of.items()}
        while not self._journal.acquire():
            yield 0, len(path_of)
        try:
            yield from self._fill(path_of, threads)
        except DiskFull:
            self._free_unrecorded_rows()
            raise
        finally:
            self._journal.release()

    def _fill(self, path_of: dict[str, Path], threads: int | None) -> Iterator[tuple[int, int]]:
        lines = list(self._journal.read())
        rows = _used_rows(lines)
        self._pixels = _memory_map(self._file, self._shape, rows, rows)
        reasons = self._verify(lines)
        todo = [(content, path) for content, path in sorted(path_of.items()) if content not in reasons]
        self._row_of |= {content: rows + index for index, (content, _) in enumerate(todo)}
        self._pixels = _memory_map(self._file, self._shape, rows, rows + len(todo))
        with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
            for chunk in chunks(todo, CHUNK):
                lines = list(pool.map(lambda item: self._prepare(*item), chunk))
                with translate_disk_full(self._file):
                    self._pixels.flush()
                # A changed file is not recorded: the picture that it was is usable again once it is back.
                self._journal.append(line for line in lines if "changed" not in line)
                reasons |= {line["sha256"]: line.get("refused") for line in lines}
                yield len(reasons), len(path_of)
        for path, content in self._hash_of.items():
            if reason := reasons[content]:
                self.refused[path] = f"{path.name}: {reason}"

    def _free_unrecorded_rows(self) -> None:
        """Give back the space that was reserved for pictures that are not in the journal, which alone fill a disk."""
        vars(self).pop("_pixels", None)  # a mapped file cannot be cut on every system
        if self._file.exists():
            used_bytes = _used_rows(self._journal.read()) * int(np.prod(self._shape))
            os.truncate(self._file, min(used_bytes, self._file.stat().st_size))

    def _prepare(self, content: str, path: Path) -> dict[str, Any]:
        try:
            array, extras = self.compute(path)
            check_content(path, content)  # the hash was computed up to hours ago
        except ChangedPicture as error:
            return {"sha256": content, "refused": str(error).removeprefix(f"{path.name}: "), "changed": True}
        except BadPicture as error:
            # Without the file name: identical pictures share one line.
            return {"sha256": content, "refused": str(error).removeprefix(f"{path.name}: ")}
        row = self._row_of[content]
        self._pixels[row] = array
        self._extras[content] = extras
        return {"sha256": content, "row": row, "crc": zlib.crc32(np.ascontiguousarray(array).data), "told": extras}

    def _verify(self, lines: list[Any]) -> dict[str, str | None]:
        """Pictures with a valid line and matching pixels: content hash -> reason of the refusal, or None."""
        hashes, reasons = set(self._hash_of.values()), dict[str, str | None]()
        for line in lines:
            match line:
                case {"sha256": str(content), "refused": str(reason)} if content in hashes:
                    reasons[content] = reason
                case {"sha256": str(content), "crc": int(crc), "told": dict(extras)} if content in hashes and _is_row(
                    line
                ):
                    if zlib.crc32(self._pixels[line["row"]].data) == crc:
                        reasons[content] = None
                        self._row_of[content], self._extras[content] = line["row"], extras
        return reasons

    def __contains__(self, path: Path | None) -> bool:
        return path is not None and path in self._hash_of and path not in self.refused

    def __getitem__(self, path: Path) -> np.ndarray:
        """Array of a picture, uint8; copy it before changing it."""
        return self._pixels[self._row_of[self._hash_of[path]]]

    def __getstate__(self) -> dict[str, Any]:
        """State without the pixels, for worker processes started by spawn."""
        return {**self.__dict__, "_pixels": self._pixels.shape}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a filled cache; its file is opened read-only."""
        self.__dict__.update(state)
        self._pixels = np.memmap(self._file, np.uint8, "r", shape=state["_pixels"])

    def content_hash(self, path: Path) -> str:
        """SHA-256 of the picture's bytes, 64 hex digits."""
        return self._hash_of[path]

    def reason_not_recorded(self, path: Path, recorded_sha256: str) -> str:
        """The reason why the picture with the recorded hash is not at its path; "" if it is, or if none is recorded."""
        if not recorded_sha256:
            return ""
        if path not in self._hash_of:
            return self.refused[path]
        return "" if self._hash_of[path] == recorded_sha256 else f"a picture {CHANGED}"

    def extras(self, path: Path) -> dict[str, Any]:
        """Extra values in the picture's line."""
        return self._extras[self._hash_of[path]]


class PixelCache(MemmapCache):
    """Canvases of a set of pictures, (H, W, 3) uint8, with the detected quad and kind of each."""

    def __init__(
        self,
        folder: Path,
        pictures: list[Path],
        size: CanvasSize,
        *,
        cropped: Collection[Path] = (),
        input_region: InputRegion = "card",
    ) -> None:
        """Create the cache.

        cropped       pictures that show only the card: no detection
        input_region  other than "card": for controls (engine.data.controls); each value has a separate cache
        """
        super().__init__(folder, pictures, _cache_name(size, input_region), (*canvas_shape(size), 3))
        self._size, self._input_region = size, input_region
        self._cropped = frozenset(cropped)

    def compute(self, path: Path) -> tuple[np.ndarray, dict[str, Any]]:
        """Compute the canvas, with the quad and kind of the detection; without them for a control."""
        if path in self._cropped:
            quad = picture_bounds(picture_size(path))
            return canvas_from_quad(path, quad, size=self._size), {"quad": quad.tolist(), "kind": "scan"}
        if self._input_region != "card":
            return CANVASES[self._input_region](path, size=self._size), {}
        canvas, detection = canvas_from_picture(path, size=self._size)
        return canvas, {"quad": detection.quad.tolist(), "kind": detection.kind}

    def has_quad(self, path: Path) -> bool:
        """True unless the picture is prepared for a control, without detection."""
        return "quad" in self.extras(path)

    def quad(self, path: Path) -> np.ndarray:
        """Quad of the card in the upright picture: (4, 2) pixels, clockwise from the printed top left."""
        return np.array(self.extras(path)["quad"], np.float64)

    def kind(self, path: Path) -> PictureKind:
        """Kind of the picture: scan, photo or slab."""
        return cast(PictureKind, self.extras(path)["kind"])


def prepared_pictures(folder: Path, size: CanvasSize, input_region: InputRegion) -> set[str]:
    """Content hashes of the pictures that a cache in `folder` has prepared, or refused; empty without a cache."""
    lines = JsonLinesFile(folder / f"{_cache_name(size, input_region)}.jsonl").read()
    return {line["sha256"] for line in lines if isinstance(line, dict) and "sha256" in line}


def _cache_name(size: CanvasSize, input_region: InputRegion) -> str:
    height, width = canvas_shape(size)
    pixels = f"{height}" if height == width else f"{height}x{width}"
    return f"prepared_{PREPARATION}_{pixels}px{'' if input_region == 'card' else f'_{input_region}'}"


def chunks(items: Sequence[Item], largest: int) -> Iterator[Sequence[Item]]:
    """Consecutive parts of about a second's work each: a stop request is answered between two of them.

    The size is doubled or halved by the time until the next part is asked for.
    """
    start, size = 0, min(FIRST_CHUNK, largest)
    while start < len(items):
        began = time.monotonic()
        yield items[start : start + size]
        start, seconds = start + size, time.monotonic() - began
        if seconds > MAX_CHUNK_S:
            size = max(1, size // 2)
        elif seconds < MAX_CHUNK_S / 4:
            size = min(largest, 2 * size)


def _used_rows(lines: Iterable[Any]) -> int:
    """Number of rows up to the last one that a line records."""
    return 1 + max((line["row"] for line in lines if _is_row(line)), default=-1)


def _is_row(line: Any) -> bool:
    match line:
        case {"row": int(row)}:
            return 0 <= row < MAX_ROWS
    return False


def _memory_map(path: Path, shape: tuple[int, ...], used_rows: int, rows: int) -> np.memmap:
    """Map the first `rows` arrays of a file, of which the first `used_rows` keep their content. Raises DiskFull."""
    bytes_per_row = int(np.prod(shape))
    with translate_disk_full(path), path.open("r+b" if path.exists() else "w+b") as file:
        reserve(file, max(rows * bytes_per_row, 1), used=used_rows * bytes_per_row)
    return np.memmap(path, np.uint8, "r+", shape=(rows, *shape))
