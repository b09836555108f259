"""A file of JSON lines that may be killed at any moment: one writer at a time, a torn line costs itself alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

WAIT_S = 1.0


class Journal:
    """Lines added at the end, each a JSON value of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path.with_suffix(".lock"))

    def __reduce__(self) -> tuple[type[Journal], tuple[Path]]:
        """In another process: the same file, and a lock of that process's own, since no lock can be handed over."""
        return Journal, (self._path,)

    def locked(self) -> bool:
        """Become the one writer; False where another still is after a second of waiting."""
        try:
            self._lock.acquire(timeout=WAIT_S)
        except Timeout:
            return False
        return True

    def release(self) -> None:
        """Let another write."""
        self._lock.release()

    def lines(self) -> Iterator[Any]:
        """What the readable lines hold; torn and damaged ones are passed over, what they told is made again."""
        if not self._path.exists():
            return
        for line in self._path.read_bytes().split(b"\n"):
            try:
                yield json.loads(line)
            except ValueError:  # no JSON, or no text at all
                continue

    def add(self, lines: Iterable[Any]) -> None:
        """Write lines at the end and hand them to the system."""
        with self._path.open("a", encoding="utf-8") as file:
            # The line break comes first: it also ends a line that an earlier kill has torn.
            file.writelines("\n" + json.dumps(line) for line in lines)
