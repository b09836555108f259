"""Mutated files, and a process that runs commands on them: bounded in time, its memory and its leftovers checked."""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil

from tests.commands import CommandResult, call

# Of computing time, which other programs on the machine do not lengthen; a command that waits is stopped later.
MAX_SECONDS, MAX_WAITING_SECONDS = 20, 180
# The first command loads torch and the networks; how long that takes says nothing about the file.
MAX_START_SECONDS = 300
MAX_BYTES = 4 << 30
MAX_MUTATIONS = 4
EXTREMES = tuple(value.to_bytes(4, "big") for value in (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF))
WORDS = (b"nan", b"-inf", b"1e999", b"\x00", b'"', b"\xff\xfe", b"'; drop table card;", b"=1", b"../../", b"A" * 9000)

Mutation = Callable[[np.random.Generator, bytearray], bytearray]


def _position(random: np.random.Generator, content: bytearray) -> int:
    """A position, half of them near the beginning, where formats have their headers."""
    end = len(content) if random.random() < 0.5 else min(len(content), 600)
    return int(random.integers(end + 1))


def _flip_bits(random: np.random.Generator, content: bytearray) -> bytearray:
    for position in random.integers(len(content), size=random.integers(1, 20)) if content else ():
        content[position] ^= 1 << int(random.integers(8))
    return content


def _overwrite(random: np.random.Generator, content: bytearray) -> bytearray:
    start, length = _position(random, content), int(2 ** random.uniform(0, 11))
    filler = random.bytes(length) if random.random() < 0.5 else bytes([int(random.choice([0, 255]))]) * length
    content[start : start + length] = filler[: len(content) - start]
    return content


def _set_integer(random: np.random.Generator, content: bytearray) -> bytearray:
    start = _position(random, content)
    content[start : start + 4] = EXTREMES[random.integers(len(EXTREMES))]
    return content


def _insert(random: np.random.Generator, content: bytearray) -> bytearray:
    start = _position(random, content)
    content[start:start] = WORDS[random.integers(len(WORDS))]
    return content


def _delete(random: np.random.Generator, content: bytearray) -> bytearray:
    start = _position(random, content)
    del content[start : start + int(2 ** random.uniform(0, 12))]
    return content


def _repeat(random: np.random.Generator, content: bytearray) -> bytearray:
    start = _position(random, content)
    part = bytes(content[start : start + int(2 ** random.uniform(0, 8))])
    content[start:start] = part * int(2 ** random.uniform(0, 8))
    return content


def _cut(random: np.random.Generator, content: bytearray) -> bytearray:
    return content[: _position(random, content)]


MUTATIONS: tuple[Mutation, ...] = (_flip_bits, _overwrite, _set_integer, _insert, _delete, _repeat, _cut)


def mutated(content: bytes, seed: int) -> bytes:
    """Change a file at random, in one to four ways; equal arguments give equal bytes."""
    random = np.random.default_rng(seed)
    changed = bytearray(content)
    for _ in range(random.integers(1, MAX_MUTATIONS + 1)):
        changed = MUTATIONS[random.integers(len(MUTATIONS))](random, changed)
    return bytes(changed)


class Outcome(NamedTuple):
    """Result of a command; `fault` is the traceback, hang or crash, empty if there was none."""

    result: CommandResult | None
    fault: str = ""


class CommandProcess:
    """A process that runs commands one after another within itself, and is replaced if one hangs or crashes."""

    def __init__(self, temporary: Path) -> None:
        """Start the process; `temporary` becomes its folder for temporary files."""
        self.temporary = temporary
        temporary.mkdir()
        self.peak_bytes = 0
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other_end = context.Pipe()
        self._process = context.Process(target=_run_commands, args=(other_end, self.temporary), daemon=True)
        self._process.start()
        other_end.close()
        assert self._answer(["--help"], MAX_START_SECONDS, MAX_START_SECONDS).fault == ""

    def __call__(self, *words: str | Path) -> Outcome:
        """Run a command; one that computes for more than MAX_SECONDS is a fault."""
        outcome = self._answer([str(word) for word in words], MAX_SECONDS, MAX_WAITING_SECONDS)
        if outcome.fault and not self._process.is_alive():
            self._start()
        return outcome

    def warm_up(self, *words: str | Path) -> None:
        """Run a command on a good file, which loads what such commands need."""
        outcome = self._answer([str(word) for word in words], MAX_START_SECONDS, MAX_START_SECONDS)
        assert outcome.result is not None and outcome.result.exit_code in {0, 3}, outcome

    def _answer(self, words: Sequence[str], computing_s: float, waiting_s: float) -> Outcome:
        try:
            self._connection.send(list(words))
            if self._answers_in_time(computing_s, waiting_s):
                outcome, peak_bytes = self._connection.recv()
                self.peak_bytes = max(self.peak_bytes, peak_bytes)
                return outcome
            fault = f"computed longer than {computing_s} s, or waited longer than {waiting_s} s"
        except (EOFError, OSError):
            fault = "the process crashed"
        self._process.kill()
        self._process.join()
        return Outcome(None, fault)

    def _answers_in_time(self, computing_s: float, waiting_s: float) -> bool:
        deadline, start_s = time.monotonic() + waiting_s, self._computed_s()
        while not self._connection.poll(1):
            if time.monotonic() > deadline or self._computed_s() - start_s > computing_s:
                return False
        return True

    def _computed_s(self) -> float:
        try:
            times = psutil.Process(self._process.pid).cpu_times()
        except psutil.Error:  # it has crashed, which the connection reports
            return 0.0
        return float(times.user + times.system)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()


def _run_commands(connection: Connection, temporary: Path) -> None:
    tempfile.tempdir = os.environ["TMPDIR"] = str(temporary)
    # What a C library writes to the terminal belongs to no answer.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    while True:
        words = connection.recv()
        try:
            outcome = Outcome(call(*words))
        except BaseException:  # noqa: BLE001 - a bug of the program, to be reported with the file that shows it
            outcome = Outcome(None, traceback.format_exc())
        connection.send((outcome, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
