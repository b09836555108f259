"""Benchmark harness: ratios that hold on any machine, from interleaved timings of one run and their medians."""

from __future__ import annotations

import os
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch

from engine.process_pool import spawn_pool

Result = TypeVar("Result")
MEBI = 2**20
ROOT = Path(__file__).resolve().parent.parent
# Card art is never part of the repository. If the variable is unset, this is a folder that does not exist.
REAL_PICTURES = Path(os.environ.get("LOUPE_REAL_PICTURES") or "folder-in-LOUPE_REAL_PICTURES").absolute()


class NothingMeasured(Exception):
    """A benchmark that cannot run on this machine; the message says what is missing."""


@dataclass(frozen=True)
class Row:
    """One line of a benchmark: the quantities compared, their ratio and its bound, a lower or an upper one."""

    what: str
    versus: str
    ratio: float
    n: int
    at_least: float | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError(f"{self.what}: a row has one bound, either at_least or at_most")

    @property
    def holds(self) -> bool:
        """True if the ratio is within its bound."""
        within = self.ratio <= self.at_most if self.at_least is None else self.ratio >= self.at_least
        return bool(within)  # NumPy's bool is not JSON

    def as_json(self) -> dict[str, str | float | int | bool]:
        """The row for the JSON file, with its one bound."""
        bound = {"at_most": self.at_most} if self.at_least is None else {"at_least": self.at_least}
        return {
            "what": self.what,
            "versus": self.versus,
            "ratio": self.ratio,
            **bound,
            "holds": self.holds,
            "n": self.n,
        }


def use_one_thread() -> None:
    """Limit OpenCV and torch to one thread."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def clock_s(device: torch.device) -> float:
    """Clock for differences, seconds: wall time after synchronizing on a GPU, CPU time of the process otherwise."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def peak_memory_mib() -> float:
    """Peak memory of this process: GPU memory if there is a GPU, otherwise resident memory."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / MEBI
    # VmHWM of Linux, because the peak of getrusage includes the parent process.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return int(peak) / 1024


def in_fresh_process(function: Callable[..., Result], *arguments: object) -> Result:
    """Call a function in a new process and return its result."""
    with spawn_pool(1) as pool:
        return pool.submit(function, *arguments).result()


def interleaved_medians(functions: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Median seconds of each function; calls are interleaved, so that a slow moment of the machine affects all."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def sampled_row(
    what: str,
    versus: str,
    sample: Sequence | np.ndarray,
    statistic: Callable,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Row:
    """A row whose `versus` ends with the 90 % bootstrap interval of the statistic."""
    random = np.random.default_rng(0)
    count = len(sample)
    draws = []
    for _ in range(200 if count else 0):
        chosen = random.integers(0, count, count)
        resample = sample[chosen] if isinstance(sample, np.ndarray) else [sample[index] for index in chosen]
        draws.append(float(statistic(resample)))
    low, high = np.nanpercentile(draws, (5, 95)) if draws else (np.nan, np.nan)
    value = float(statistic(sample)) if count else float("nan")
    return Row(what, f"{versus} ({low:.3f} to {high:.3f})", value, count, at_least=at_least, at_most=at_most)
