"""Atomic file writes: write to a temporary file, then rename. Free of torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` at the end of the block: `path` is always the old or the new file.

    If the block raises, `path` stays unchanged and the temporary file remains until the next write. Not safe for two
    writers of the same file: they would share the temporary file.
    """
    temporary = path.with_name(f"{path.name}.part")
    yield temporary
    temporary.replace(path)
