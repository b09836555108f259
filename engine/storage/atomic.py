"""Files that are whole or not there: written aside, then renamed. Free of torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Where to write what `path` is to hold: it is renamed at the end, so that `path` is the old file or the new one.

    Where the block raises, `path` is left as it is, and what was written lies beside it until it is written again.
    One writer at a time: two that write the same file would take what lies aside from each other.
    """
    part = path.with_name(f"{path.name}.part")
    yield part
    part.replace(path)
