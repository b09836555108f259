"""Cache of measurements: auxiliary targets or inputs of each picture of a run, measured once.

A JSON-lines file with one line per picture: content hash and values. Measuring takes .1 to .3 s of one core per side,
many times longer than preparing its pixels, so that many pictures are measured in a process pool.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.data.picture_cache import PREPARATION, PixelCache, chunks
from engine.errors import BadInput
from engine.image.content_hash import check_content
from engine.image.detection import PictureKind
from engine.image.read import BadPicture
from engine.measure.side import features
from engine.measure.side.targets import NOT_MEASURED, AuxiliaryTargets, measure_targets
from engine.process_pool import spawn_pool
from engine.storage.jsonl import JsonLinesFile

CHUNK = 32
# Starting a pool takes longer than measuring fewer pictures than this.
MIN_PICTURES_FOR_POOL = 48

Job = tuple[Path, np.ndarray, PictureKind]
Measure = Callable[[Iterable[Job]], Iterable[Sequence[float] | np.ndarray]]


@dataclass(frozen=True)
class MeasurementSpec:
    """One kind of measurement.

    name     name of the cache file; increase the number in it when a change of the measuring changes the values
    values   number of values per side
    measure  function of a picture, its quad and its kind; at the top level of a module, to be sent to other processes
    setting  setting that turns it off
    """

    name: str
    values: int
    measure: Callable[[Path, np.ndarray, PictureKind], Sequence[float] | np.ndarray]
    setting: str


TARGET_SPEC = MeasurementSpec("measured_2", len(AuxiliaryTargets._fields), measure_targets, "auxiliary_targets")
FEATURE_SPEC = MeasurementSpec("features_2", len(features.FEATURE_NAMES), features.measure_features, "use_measurements")


class MeasurementFailed(BadInput):
    """A measuring process ended early; the message gives the remedy."""


class MeasurementCache:
    """Measurements of a set of pictures; `fill` before reading, then look up by path."""

    def __init__(self, spec: MeasurementSpec, folder: Path, pictures: Sequence[Path], pixels: PixelCache) -> None:
        """Create the cache in `folder`; `pixels` is filled and contains all of the pictures."""
        self._spec = spec
        self._pixels = pixels
        self._path_of = {pixels.content_hash(path): path for path in pictures}
        self._journal = JsonLinesFile(folder / f"{spec.name}_{PREPARATION}.jsonl")
        self._values: dict[str, np.ndarray] = {}

    def fill(self) -> Iterator[tuple[int, int]]:
        """Measure the pictures not yet in the cache; yields (done, total) after every chunk.

        One fill at a time: a second one yields (0, total) while it waits. Raises MeasurementFailed.
        """
        while not self._journal.acquire():
            yield 0, len(self._path_of)
        try:
            yield from self._fill()
        finally:
            self._journal.release()

    def _fill(self) -> Iterator[tuple[int, int]]:
        for line in self._journal.read():
            match line:
                case {"sha256": str(content), "values": list(values)} if content in self._path_of:
                    if len(values) == self._spec.values:
                        self._values[content] = np.array([_number(value) for value in values], np.float32)
        todo = [(content, path) for content, path in sorted(self._path_of.items()) if content not in self._values]
        with _measure_function(self._spec, len(todo)) as measure:
            for chunk in chunks(todo, CHUNK):
                jobs = [(path, self._pixels.quad(path), self._pixels.kind(path)) for _, path in chunk]
                measured = {
                    content: np.array(values, np.float32)
                    for (content, _), values in zip(chunk, measure(jobs), strict=True)
                }
                unchanged = {content: values for content, values in measured.items() if self._is_unchanged(content)}
                self._journal.append(_line(content, values) for content, values in unchanged.items())
                self._values |= (
                    dict.fromkeys(measured, np.full(self._spec.values, NOT_MEASURED, np.float32)) | unchanged
                )
                yield len(self._values), len(self._path_of)

    def _is_unchanged(self, content: str) -> bool:
        """True if the measured file still has the hash under which its values are recorded."""
        try:
            check_content(self._path_of[content], content)
        except BadPicture:
            return False
        return True

    def __getitem__(self, path: Path) -> np.ndarray:
        """Values of one side, (values,) float32, NaN where not measured."""
        return self._values[self._pixels.content_hash(path)]


def _line(content: str, values: np.ndarray) -> dict[str, Any]:
    return {"sha256": content, "values": [None if np.isnan(value) else float(value) for value in values]}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else NOT_MEASURED


@contextmanager
def _measure_function(spec: MeasurementSpec, pictures: int) -> Iterator[Measure]:
    """Yield a function that measures jobs: in this process for few pictures, else in a process pool."""
    if pictures < MIN_PICTURES_FOR_POOL:
        yield lambda jobs: [spec.measure(*job) for job in jobs]
        return
    try:
        with spawn_pool() as pool:
            yield lambda jobs: pool.map(spec.measure, *zip(*jobs, strict=True))
    except BrokenProcessPool as error:
        raise MeasurementFailed(
            "measuring the cards ended early, perhaps for lack of memory; start again to continue where it stopped, or "
            f"train with {spec.setting}=false, which needs no measuring"
        ) from error
