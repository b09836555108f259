"""Paths as people write them."""

from __future__ import annotations

import os
from pathlib import Path

from engine.errors import BadInput

# Bytes of a file's or folder's name; no file system in use allows more.
LONGEST_NAME = 255


class BadPath(BadInput):
    """A path that can name no file; the message names it and the remedy."""


def written(path: str | Path) -> Path:
    """The path with the home that a ~ stands for. Raises BadPath for one that no file can have."""
    if "\0" in str(path):
        raise BadPath(f"the path {str(path)!r} holds a zero byte; write it anew")
    try:
        whole = Path(path).expanduser()
    except RuntimeError as error:  # what pathlib raises for a home it cannot find
        raise BadPath(f"{str(path)!r} names the home of a user who is not known; write the whole path") from error
    for name in whole.parts:
        if len(os.fsencode(name)) > LONGEST_NAME:
            raise BadPath(f"no file has a name as long as {name[:20]!r}...; check the path that you gave")
    return whole
