"""Start-up time of the app, from `python launch.py` to its first answer, against ten seconds."""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import ROOT, Row

ROUNDS = 5
LIMIT_S = 10.0
TIMEOUT_S = 120.0
PROGRAM = ROOT / "launch.py"


def free_port() -> int:
    """Find a port that is not in use."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(data: Path) -> Iterator[str]:
    """Start the app on a data folder, wait for its first page, and stop it at the end; yields its address."""
    port = free_port()
    began = time.monotonic()
    command = [sys.executable, str(PROGRAM), "--data", str(data), "--port", str(port), "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.monotonic() - began < TIMEOUT_S:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=TIMEOUT_S):
                    break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        else:
            raise TimeoutError(f"the app did not answer within {TIMEOUT_S:g} s")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.kill(server.pid, signal.SIGTERM)
        server.wait()


def seconds_to_answer(data: Path) -> float:
    """Start the app on a data folder and wait for its first page."""
    began = time.perf_counter()
    with served(data):
        return time.perf_counter() - began


def measure() -> list[Row]:
    """Median of several starts, after one that warms the file cache."""
    with tempfile.TemporaryDirectory() as name:
        data = Path(name)
        seconds_to_answer(data)
        seconds = statistics.median(seconds_to_answer(data) for _ in range(ROUNDS))
    return [Row("start to first answer", "ten seconds", seconds / LIMIT_S, ROUNDS, at_most=1.0)]
