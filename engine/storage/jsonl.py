"""JSON Lines file that survives a killed writer: a truncated line is skipped on reading, the others stay readable."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from engine.storage.disk_space import translate_disk_full

LOCK_TIMEOUT_S = 1.0


class JsonLinesFile:
    """Append-only file with one JSON value per line and at most one writer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path.with_suffix(".lock"))

    def __reduce__(self) -> tuple[type[JsonLinesFile], tuple[Path]]:
        """Pickle the path only: the other process creates a lock, since a lock cannot be pickled."""
        return JsonLinesFile, (self._path,)

    def acquire(self) -> bool:
        """Lock the file for writing; return False if another writer still has the lock after a second."""
        try:
            self._lock.acquire(timeout=LOCK_TIMEOUT_S)
        except Timeout:
            return False
        return True

    def release(self) -> None:
        """Release the lock."""
        self._lock.release()

    def read(self) -> Iterator[Any]:
        """Yield the values of all readable lines; truncated and damaged lines are skipped."""
        if not self._path.exists():
            return
        for line in self._path.read_bytes().split(b"\n"):
            try:
                yield json.loads(line)
            except ValueError:  # not JSON, or not UTF-8
                continue

    def append(self, lines: Iterable[Any]) -> None:
        """Append values, one per line. Raises DiskFull."""
        with translate_disk_full(self._path), self._path.open("a", encoding="utf-8") as file:
            # The line break comes first: it also terminates a line truncated by an earlier kill.
            file.writelines("\n" + json.dumps(line) for line in lines)
