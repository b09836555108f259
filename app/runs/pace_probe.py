"""Measurement of a run's pace before it starts, in a process of its own that is killed when the settings change."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import TimeoutExpired
from threading import Lock

from app.runs.jobs import Child, Jobs, is_alive
from app.runs.run_status import log_end
from app.settings import DataFolder
from db import runs
from db.session import Database
from engine.cards.pairs import CardPair
from engine.config import Config
from engine.storage.atomic import write_text
from engine.training.pace import Pace, pace_settings

SAMPLED_CARDS = 2
MAX_SECONDS = 300.0
KILL_WAIT_S = 5.0
BAD_INPUT = 2
MEASURED_LATER = "The time is measured when no run trains."
FAILED = "The time could not be measured"


@dataclass
class _Measurement:
    """A process that measures, and the page that asked for it."""

    settings: Config
    page: str
    process: Child
    folder: Path
    began: float = field(default_factory=time.monotonic)

    def end(self) -> None:
        """Kill the process and delete what it wrote."""
        self.process.kill()
        with suppress(TimeoutExpired):
            self.process.wait(timeout=KILL_WAIT_S)
        shutil.rmtree(self.folder, ignore_errors=True)


class PaceProbe:
    """Measured paces of one data folder; one process at a time, none while a run trains."""

    def __init__(self, database: Database, data: DataFolder, jobs: Jobs) -> None:
        self._database, self._data, self._jobs = database, data, jobs
        self._paces: dict[Config, Pace | str] = {}
        self._current: _Measurement | None = None
        self._lock = Lock()

    def pace(self, config: Config, pairs: Sequence[CardPair], page: str = "") -> Pace | str:
        """The pace, or a sentence on why it is not known (yet). Starts to measure it; other settings end that.

        pairs  cards of the run, of which a few are measured
        page   of the user; a measurement that another page asked for is not ended, but waited for
        """
        settings = pace_settings(config)
        with self._lock:
            self._collect()
            if (known := self._paces.get(settings)) is not None:
                return known
            if self._has_run():
                return MEASURED_LATER
            if self._current is not None and self._current.settings != settings and self._current.page == page:
                self._current.end()
                self._current = None
            if self._current is None:
                self._current = self._start(settings, pairs, page)
            seconds = time.monotonic() - self._current.began
            return f"Measuring the time of a few training steps on this machine ... {seconds:.0f} s"

    def stop(self) -> None:
        """End the process that measures, as for a run that starts: it would slow it down."""
        with self._lock:
            if self._current is not None:
                self._current.end()
                self._current = None

    def _has_run(self) -> bool:
        """True while a run trains, or waits; one that was just started has not taken the lock yet."""
        with self._database.reading() as session:
            return bool(runs.open_runs(session)) or is_alive(self._data.training_lock())

    def _start(self, settings: Config, pairs: Sequence[CardPair], page: str) -> _Measurement:
        folder = self._data.cache / "pace"
        shutil.rmtree(folder, ignore_errors=True)  # of a server that was killed
        folder.mkdir(parents=True)
        cards = [[front and str(front), back and str(back), grade] for front, back, grade in _sample(pairs)]
        write_text(folder / "request.json", json.dumps({"config": settings.model_dump(), "cards": cards}))
        process = self._jobs.start_process(
            ["pace", str(folder), "--json", str(folder / "result.json")], folder / "log.txt"
        )
        return _Measurement(settings, page, process, folder)

    def _collect(self) -> None:
        """Take the result of a process that has ended."""
        current = self._current
        if current is None:
            return
        if current.process.poll() is None:
            if time.monotonic() - current.began > MAX_SECONDS:
                current.end()
                self._current, self._paces[current.settings] = None, f"{FAILED}: it took too long."
            return
        self._current, self._paces[current.settings] = None, _result(current)
        current.end()


def _result(measurement: _Measurement) -> Pace | str:
    if measurement.process.returncode == 0:
        values = json.loads((measurement.folder / "result.json").read_bytes())
        return Pace(**{**values, "training": tuple(values["training"])})
    # A bad setting or picture is named; an error of the program has a traceback, which is not for the page.
    log = log_end(measurement.folder / "log.txt").splitlines()
    reason = log[-1].removeprefix("loupe: ") if log and measurement.process.returncode == BAD_INPUT else ""
    return f"{FAILED}{f': {reason}' if reason else ''}."


def _sample(pairs: Sequence[CardPair]) -> list[tuple[Path | None, Path | None, float | None]]:
    """The first cards with both sides, else the first ones."""
    both = [pair for pair in pairs if pair.front and pair.back]
    return [(pair.front, pair.back, pair.grade) for pair in (both or list(pairs))[:SAMPLED_CARDS]]
