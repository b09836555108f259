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


def seconds_to_answer(data: str) -> float:
    """Start the app on a data folder and wait for its first page."""
    port = free_port()
    start = time.perf_counter()
    command = [sys.executable, str(PROGRAM), "--data", data, "--port", str(port), "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.perf_counter() - start < TIMEOUT_S:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=TIMEOUT_S):
                    return time.perf_counter() - start
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        raise TimeoutError(f"the app did not answer within {TIMEOUT_S:g} s")
    finally:
        os.kill(server.pid, signal.SIGTERM)
        server.wait()


def measure() -> list[Row]:
    """Median of several starts, after one that warms the file cache."""
    with tempfile.TemporaryDirectory() as data:
        seconds_to_answer(data)
        seconds = statistics.median(seconds_to_answer(data) for _ in range(ROUNDS))
    return [Row("start to first answer", "ten seconds", seconds / LIMIT_S, ROUNDS, at_most=1.0)]
