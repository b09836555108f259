"""What the commands say: JSON to stdout or a file, all else to stderr."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

TELL_EVERY_S = 1.0


def say(text: str) -> None:
    """One line to stderr, shown at once."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is the terminal


def give(result: Any, path: Path | None) -> None:
    """The command's result as JSON: to the file, else to stdout."""
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
