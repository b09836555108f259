"""What is measured once on every picture of a run, the network's targets or its inputs, kept beside the pixel cache.

A line a picture in a journal: its content hash and the values. Measuring takes a tenth to a third of a second of one
core a side, many times what preparing its pixels takes, so many pictures are measured by processes of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.data.picture_cache import PREPARATION, PixelCache
from engine.errors import BadInput
from engine.image.detection import Kind
from engine.measure.side import features
from engine.measure.side.targets import NOT_MEASURED, AuxiliaryTargets, measured_targets
from engine.process_pool import processes
from engine.storage.jsonl import Journal

CHUNK = 32
# Starting processes takes longer than measuring fewer pictures than this.
WORTH_PROCESSES = 48

Job = tuple[Path, np.ndarray, Kind]
Measure = Callable[[Iterable[Job]], Iterable[Sequence[float] | np.ndarray]]


@dataclass(frozen=True)
class Measurement:
    """One kind of measurement.

    name     of its journal; raise the number in it when measuring changes what the values are
    values   how many there are of a side
    measure  of a picture, its card's corners and its kind; at the top level of a module, for other processes
    setting  that would do without
    """

    name: str
    values: int
    measure: Callable[[Path, np.ndarray, Kind], Sequence[float] | np.ndarray]
    setting: str


TARGETS = Measurement("measured_1", len(AuxiliaryTargets._fields), measured_targets, "measured_targets")
FEATURES = Measurement("features_1", len(features.FEATURES), features.measured_features, "measured_inputs")


class MeasuringFailed(BadInput):
    """The processes that measure ended before they were done; the message says what to do."""


class MeasuredSides:
    """The values of a set of pictures; `fill` before reading, then look up by path."""

    def __init__(self, what: Measurement, folder: Path, pictures: Sequence[Path], pixels: PixelCache) -> None:
        """`pixels` is filled and holds every one of the pictures; the journal lies in `folder`."""
        self._what = what
        self._pixels = pixels
        self._path_of = {pixels.content(path): path for path in pictures}
        self._journal = Journal(folder / f"{what.name}_{PREPARATION}.jsonl")
        self._values: dict[str, np.ndarray] = {}

    def fill(self) -> Iterator[tuple[int, int]]:
        """Measure what is not yet measured; yields (done, total) after every chunk of pictures.

        One fill at a time: another waits, and says so by yielding (0, total). Raises MeasuringFailed.
        """
        while not self._journal.locked():
            yield 0, len(self._path_of)
        try:
            yield from self._fill()
        finally:
            self._journal.release()

    def _fill(self) -> Iterator[tuple[int, int]]:
        for line in self._journal.lines():
            match line:
                case {"sha256": str(content), "values": list(values)} if content in self._path_of:
                    if len(values) == self._what.values:
                        self._values[content] = np.array([_number(value) for value in values], np.float32)
        todo = [(content, path) for content, path in sorted(self._path_of.items()) if content not in self._values]
        with _measuring(self._what, len(todo)) as measure:
            for start in range(0, len(todo), CHUNK):
                chunk = todo[start : start + CHUNK]
                jobs = [(path, self._pixels.quad(path), self._pixels.kind(path)) for _, path in chunk]
                told = {
                    content: np.array(values, np.float32)
                    for (content, _), values in zip(chunk, measure(jobs), strict=True)
                }
                self._journal.add(_line(content, values) for content, values in told.items())
                self._values |= told
                yield len(self._values), len(self._path_of)

    def __getitem__(self, path: Path) -> np.ndarray:
        """The values of one side, (values,) float32, NaN where something was not measured."""
        return self._values[self._pixels.content(path)]


def _line(content: str, values: np.ndarray) -> dict[str, Any]:
    return {"sha256": content, "values": [None if np.isnan(value) else float(value) for value in values]}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else NOT_MEASURED


@contextmanager
def _measuring(what: Measurement, pictures: int) -> Iterator[Measure]:
    """How to measure so many pictures: here, or in as many processes as there are cores."""
    if pictures < WORTH_PROCESSES:
        yield lambda jobs: [what.measure(*job) for job in jobs]
        return
    try:
        with processes() as pool:
            yield lambda jobs: pool.map(what.measure, *zip(*jobs, strict=True))
    except BrokenProcessPool as error:
        raise MeasuringFailed(
            "measuring the cards ended early, perhaps for want of memory; start again, and it goes on where it was (a "
            f"run that is trained with {what.setting}=false measures nothing)"
        ) from error
