"""Cards a second of a batch, on all cores, against the same cards graded one after another in one process.

Each card is the same work in both: decoded, found, graded, measured, and written with its page. Loading torch and the
model is left out of both: the batch is timed from its first rows on.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from pathlib import Path

from app.batch.batch import Batch
from app.batch.grade_cards import grade_cards, grade_one
from app.batch.sources import batch_from_path
from app.settings import DataFolder
from benchmarks.harness import NothingMeasured, Row
from engine.measure.centering.line_correction import Corrections
from engine.simulate.cards import SimulationConfig
from engine.simulate.folder import LABELS_FILE, write_cards

PAIRS = 30
# Rows of a batch that are not timed: its processes have all begun with the fourth.
WARM_UP = 4
POLL_S = 0.005
NO_CORRECTIONS: Corrections = {}


def measure() -> list[Row]:
    """One batch between two passes over the same cards one after another."""
    cores = os.cpu_count() or 1
    if cores < 2:
        raise NothingMeasured("there is one core; a batch is faster from two on")
    with tempfile.TemporaryDirectory() as name:
        cards = Path(name) / "cards"
        write_cards(cards, SimulationConfig(seed=5, height=1050), PAIRS, workers=cores)
        data = DataFolder(Path(name) / "data")
        batch = batch_from_path(data, cards / LABELS_FILE)
        _grade(data, batch, 2)  # loads torch and the model
        before = _grade(data, batch, PAIRS)
        together = _seconds_of_batch(data, batch)
        after = _grade(data, batch, PAIRS)
    single_per_s = 2 * PAIRS / (before + after)
    batch_per_s = (PAIRS - WARM_UP) / together
    return [
        Row(
            f"cards a second of a batch, {batch_per_s:.2f}, on {cores} cores",
            f"one after another, {single_per_s:.2f}",
            batch_per_s / single_per_s,
            PAIRS,
            at_least=1.6,
        )
    ]


def _grade(data: DataFolder, batch: Batch, count: int) -> float:
    """Seconds of grading the first cards one after another."""
    began = time.perf_counter()
    for number, card in enumerate(batch.cards[:count]):
        grade_one(data, batch, number, card, None, NO_CORRECTIONS)
    return time.perf_counter() - began


def _seconds_of_batch(data: DataFolder, batch: Batch) -> float:
    """Seconds from the last row of the warm-up to the last one."""
    times: list[float] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(POLL_S):
            times.extend([time.perf_counter()] * (len(batch.rows()) - len(times)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    grade_cards(data, batch.name)
    time.sleep(2 * POLL_S)
    ended.set()
    watcher.join()
    return times[-1] - times[WARM_UP - 1]
