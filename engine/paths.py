"""Paths entered by a user."""

from __future__ import annotations

import os
from pathlib import Path

from engine.errors import BadInput

# Limit of the common file systems (ext4, NTFS, APFS) for a single file or folder name.
MAX_NAME_BYTES = 255


class BadPath(BadInput):
    """An invalid path; the message names it and the remedy."""


def expand_path(path: str | Path) -> Path:
    """Expand a leading ~ to the home folder. Raises BadPath if the path is invalid on every file system."""
    if "\0" in str(path):
        raise BadPath(f"the path {str(path)!r} holds a zero byte; enter it again")
    try:
        expanded = Path(path).expanduser()
    except RuntimeError as error:  # raised by pathlib for a home folder it cannot find
        raise BadPath(f"{str(path)!r} names the home of an unknown user; give the full path") from error
    for name in expanded.parts:
        if len(os.fsencode(name)) > MAX_NAME_BYTES:
            raise BadPath(f"no file has a name as long as {name[:20]!r}...; check the path")
    return expanded
