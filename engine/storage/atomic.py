"""Atomic file writes: write to a temporary file, then rename. Free of torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident

from engine.storage.disk_space import translate_disk_full


@contextmanager
def atomic_write(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` at the end of the block: `path` is always the old or the new file.

    If the block raises, `path` stays unchanged and the temporary file is removed, so that it does not keep a full disk
    full; after a kill it remains until the next write. Raises DiskFull.

    shared  another process or thread may write the same file at the same time: the temporary file is this thread's own
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{get_ident()}.part" if shared else f"{path.name}.part")
    try:
        with translate_disk_full(path):
            yield temporary
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, in UTF-8 and with the line breaks of `text`. Raises DiskFull."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_bytes(path: Path, content: bytes, *, shared: bool = False) -> None:
    """Write a file atomically, `shared` as in `atomic_write`. Raises DiskFull."""
    with atomic_write(path, shared=shared) as temporary:
        temporary.write_bytes(content)
