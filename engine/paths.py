"""Paths entered by a user."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from urllib.request import url2pathname

from engine.errors import BadInput

# Limit of the common file systems (ext4, NTFS, APFS) for a single file or folder name.
MAX_NAME_BYTES = 255
# A file manager's "Copy as path" quotes the path; a chat or a text editor may have made the quotes curly.
QUOTES = {'"': '"', "'": "'", "\N{LEFT DOUBLE QUOTATION MARK}": "\N{RIGHT DOUBLE QUOTATION MARK}"}
# One slash suffices: pathlib turns file:///a into file:/a.
FILE_URL = re.compile(r"file:/(?:/(?:localhost)?/)?", re.IGNORECASE)


class BadPath(BadInput):
    """An invalid path; the message names it and the remedy."""


def expand_path(path: str | Path) -> Path:
    """Convert a pasted path to a Path: without quotes around it, from a file:// URL, with ~ as the home folder.

    Raises BadPath if the path is invalid on every file system.
    """
    text = _unquoted(str(path))
    if "\0" in text:
        raise BadPath(f"the path {text!r} holds a zero byte; enter it again")
    try:
        expanded = Path(text).expanduser()
    except RuntimeError as error:  # raised by pathlib for a home folder it cannot find
        raise BadPath(f"{text!r} names the home of an unknown user; give the full path") from error
    for name in expanded.parts:
        if len(os.fsencode(name)) > MAX_NAME_BYTES:
            raise BadPath(f"no file has a name as long as {name[:20]!r}...; check the path")
    return expanded


def _unquoted(text: str) -> str:
    """The path without surrounding quotes; the path of a file:// URL."""
    stripped = text.strip()
    if len(stripped) > 2 and QUOTES.get(stripped[0]) == stripped[-1]:
        text = stripped = stripped[1:-1]
    url = FILE_URL.match(stripped)
    return url2pathname(f"/{stripped[url.end() :]}") if url else text


def unreadable_reason(path: Path, max_bytes: int) -> str:
    """The reason why a file must not be opened, as a predicate with the remedy; empty if it may be.

    A pipe blocks its reader and a device may never end. Raises OSError if there is no such file.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        return "is a folder; name a file in it"
    if not stat.S_ISREG(status.st_mode):
        return "is a pipe or a device, not a file; give a file"
    if status.st_size > max_bytes:
        return f"is larger than {max_bytes // 1_000_000} MB; give a smaller file"
    return ""
