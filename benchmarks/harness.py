"""Ratios that hold on any machine: everything compared is timed in one run, in turn, and medians are divided."""

from __future__ import annotations

import os
import re
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import cv2
import torch

Result = TypeVar("Result")
MEBI = 2**20
ROOT = Path(__file__).resolve().parent.parent
# Card art is never part of the repository. Unset, this names a folder that does not exist.
REAL_PICTURES = Path(os.environ.get("LOUPE_REAL_PICTURES") or "folder-in-LOUPE_REAL_PICTURES").absolute()


@dataclass(frozen=True)
class Row:
    """One line of a benchmark: what was measured against what, and the bound that it must keep."""

    what: str
    versus: str
    ratio: float
    n: int
    at_least: float | None = None
    at_most: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the ratio keeps its bound."""
        return (self.at_least is None or self.ratio >= self.at_least) and (
            self.at_most is None or self.ratio <= self.at_most
        )

    def as_json(self) -> dict[str, str | float | int | bool]:
        """The row as it goes into the JSON file, without the bound it does not have."""
        bound = {"at_least": self.at_least} if self.at_least is not None else {"at_most": self.at_most or 0.0}
        return {
            "what": self.what,
            "versus": self.versus,
            "ratio": self.ratio,
            **bound,
            "holds": self.holds,
            "n": self.n,
        }


def one_thread() -> None:
    """Let OpenCV and torch use one thread, as the table's single-thread rows ask."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def now(device: torch.device) -> float:
    """A time to subtract another from, in seconds: a GPU's clock when its work is done, else the processor's own."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def peak_memory_mib() -> float:
    """The most that this process has held: of the GPU's memory where there is one, else of all."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / MEBI
    # Linux's own high-water mark: getrusage's also counts what the parent process held.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return int(peak) / 1024


def alone(act: Callable[..., Result], *arguments: object) -> Result:
    """What a function gives in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(act, *arguments).result()


def medians_in_turn(ways: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Median seconds of each way; the ways take turns, so that a slow moment of the machine slows them all."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}
