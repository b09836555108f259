"""How long the app takes to answer after `python launch.py`, against the ten seconds it may take."""

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
ALLOWED_S = 10.0
PATIENCE_S = 120.0
PROGRAM = ROOT / "launch.py"


def free_port() -> int:
    """A port that nobody serves on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def seconds_to_answer(data: str) -> float:
    """Start the app on a data folder and wait for its first page."""
    port = free_port()
    began = time.perf_counter()
    command = [sys.executable, str(PROGRAM), "--data", data, "--port", str(port), "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.perf_counter() - began < PATIENCE_S:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE_S):
                    return time.perf_counter() - began
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        raise TimeoutError(f"the app did not answer within {PATIENCE_S:g} s")
    finally:
        os.kill(server.pid, signal.SIGTERM)
        server.wait()


def measure() -> list[Row]:
    """The median of a few starts, after one that warms the machine's file cache."""
    with tempfile.TemporaryDirectory() as data:
        seconds_to_answer(data)
        seconds = statistics.median(seconds_to_answer(data) for _ in range(ROUNDS))
    return [Row("start to first answer", "ten seconds", seconds / ALLOWED_S, ROUNDS, at_most=1.0)]
