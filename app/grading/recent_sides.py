"""The sides of cards that were found last: advice on a picture and its grading decode and search it only once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from engine.inference.card_side import CardSide, find_side

# Both sides of two cards from a telephone of 12 megapixels take 144 MB.
MAX_SIDES, MAX_BYTES = 4, 160 * 10**6


class RecentSides:
    """The sides found last, by file; what was measured on one is kept with it."""

    def __init__(self, max_sides: int = MAX_SIDES, max_bytes: int = MAX_BYTES) -> None:
        self._max_sides, self._max_bytes = max_sides, max_bytes
        self._sides: OrderedDict[tuple[Path, int, int], Future[CardSide]] = OrderedDict()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(2, "find-card")

    def find(self, path: Path) -> CardSide:
        """The side in a picture, as by `find_side`, found once however many ask for it. Raises BadPicture."""
        try:
            stat = path.stat()
        except OSError:
            return find_side(path)  # which says why it cannot be read
        key = (path, stat.st_mtime_ns, stat.st_size)
        with self._lock:
            future = self._sides.get(key)
            if future is None:
                future = self._sides[key] = self._pool.submit(find_side, path)
            self._sides.move_to_end(key)
        try:
            return future.result()
        finally:
            self._forget()

    def _forget(self) -> None:
        """Drop failures, and the oldest sides beyond the limits."""
        with self._lock:
            ended = [(key, future) for key, future in reversed(self._sides.items()) if future.done()]
            total_bytes = 0
            for rank, (key, future) in enumerate(ended):
                total_bytes += 0 if future.exception() else future.result().rgb.nbytes
                if future.exception() or rank >= self._max_sides or total_bytes > self._max_bytes:
                    del self._sides[key]
