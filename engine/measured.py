"""Edge damage and centering measured once on every picture of a run, kept beside the pixel cache.

A line a picture in a journal: its content hash and the three targets. Measuring takes a tenth of a second of one core a
side, many times what preparing its pixels takes, so many pictures are measured by processes of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from engine.cache import PREPARATION, PixelCache
from engine.errors import BadInput
from engine.image.found import Kind
from engine.journal import Journal
from engine.measure.targets import NOT_MEASURED, AuxiliaryTargets, measured_targets
from engine.processes import processes

# Part of the journal's name: raise it when measuring changes what the targets are.
MEASUREMENT = 1
CHUNK = 32
# Starting processes takes longer than measuring fewer pictures than this.
WORTH_PROCESSES = 48

Job = tuple[Path, np.ndarray, Kind]
Measure = Callable[[Iterable[Job]], Iterable[AuxiliaryTargets]]


class MeasuringFailed(BadInput):
    """The processes that measure ended before they were done; the message says what to do."""


class MeasuredTargets:
    """The targets of a set of pictures; `fill` before reading, then look up by path."""

    def __init__(self, folder: Path, pictures: Sequence[Path], pixels: PixelCache) -> None:
        """`pixels` is filled and holds every one of the pictures; the journal lies in `folder`."""
        self._pixels = pixels
        self._path_of = {pixels.content(path): path for path in pictures}
        self._journal = Journal(folder / f"measured_{PREPARATION}_{MEASUREMENT}.jsonl")
        self._targets: dict[str, AuxiliaryTargets] = {}

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
                case {"sha256": str(content), "targets": [edge, left, top]} if content in self._path_of:
                    self._targets[content] = AuxiliaryTargets(*map(_number, (edge, left, top)))
        todo = [(content, path) for content, path in sorted(self._path_of.items()) if content not in self._targets]
        with _measuring(len(todo)) as measure:
            for start in range(0, len(todo), CHUNK):
                chunk = todo[start : start + CHUNK]
                jobs = [(path, self._pixels.quad(path), self._pixels.kind(path)) for _, path in chunk]
                told = {content: targets for (content, _), targets in zip(chunk, measure(jobs), strict=True)}
                self._journal.add(_line(content, targets) for content, targets in told.items())
                self._targets |= told
                yield len(self._targets), len(self._path_of)

    def __getitem__(self, path: Path) -> AuxiliaryTargets:
        """The targets of one side, NaN where something was not measured."""
        return self._targets[self._pixels.content(path)]


def _line(content: str, targets: AuxiliaryTargets) -> dict[str, Any]:
    values = (targets.edge_damage, targets.left_share, targets.top_share)
    return {"sha256": content, "targets": [None if np.isnan(value) else value for value in values]}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else NOT_MEASURED


@contextmanager
def _measuring(pictures: int) -> Iterator[Measure]:
    """How to measure so many pictures: here, or in as many processes as there are cores."""
    if pictures < WORTH_PROCESSES:
        yield lambda jobs: [measured_targets(*job) for job in jobs]
        return
    try:
        with processes() as pool:
            yield lambda jobs: pool.map(measured_targets, *zip(*jobs, strict=True))
    except BrokenProcessPool as error:
        raise MeasuringFailed(
            "measuring the cards ended early, perhaps for want of memory; start again, and it goes on where it was, or "
            "set measured_targets=false"
        ) from error
