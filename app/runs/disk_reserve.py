"""Disk reserve: a file deleted when the disk is full, so that the end of a run can still be written to the database."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

# A state change writes a few database pages of 4 kB, and a sentence to the log.
RESERVE_BYTES = 1 << 20


def keep_reserve(path: Path) -> None:
    """Write the reserve if it is missing; without room for it there is none, and no error."""
    if path.exists():
        return
    try:
        path.write_bytes(os.urandom(RESERVE_BYTES))  # file systems that compress store no zeros
    except OSError:
        free_reserve(path)


def free_reserve(path: Path) -> None:
    """Delete the reserve: the next megabyte can be written."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
