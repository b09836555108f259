"""What the commands say: JSON to stdout or a file, all else to stderr."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

TELL_EVERY_S = 1.0


def process() -> tuple[int, int]:
    """Which of how many processes this is: (0, 1), or as torchrun counts those that it has started."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def say(text: str) -> None:
    """One line to stderr, shown at once; of several processes only the first talks."""
    if process()[0] == 0:
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is the terminal


def complain(text: str) -> None:
    """One line to stderr that says why this process ends; of several processes each says which one it is."""
    own, count = process()
    whose = f" (process {own + 1} of {count})" if count > 1 else ""
    print(f"loupe{whose}: {text}", file=sys.stderr, flush=True)  # noqa: T201 - this is the terminal


def give(result: Any, path: Path | None) -> None:
    """The command's result as JSON: to the file, else to stdout; of several processes only the first gives it."""
    if process()[0] != 0:
        return
    text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if path is None:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        path.write_text(text, encoding="utf-8")


class Meter:
    """Says how far a step is, at most once a second and nothing for a step that is over before that."""

    def __init__(self) -> None:
        self._told_at = time.monotonic()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Take note that `done` of `total` are done, and perhaps say so."""
        if time.monotonic() - self._told_at >= TELL_EVERY_S:
            self._told_at = time.monotonic()
            say(f"{step}: {done} of {total}")
