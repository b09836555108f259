"""Content hash of a picture file: the SHA-256 of its bytes, which distinguishes the labelled picture from another."""

from __future__ import annotations

import time
from pathlib import Path

from engine.image.read import BadPicture, require_picture_file
from engine.storage.file_hash import sha256

CHANGED = "has changed since it was imported; put the original back, or import the new one under another name"

# File systems count time in steps of up to two seconds.
SETTLED_S = 2.0


class ChangedPicture(BadPicture):
    """A file whose content is not the picture that was recorded under its path."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path.name}: {CHANGED}")


def file_version(path: Path) -> str | None:
    """Text that changes with every change of a file, whatever the clock shows: its inode, size and times.

    None if the file cannot be read, or was changed so recently that a second change might leave its times equal.
    """
    try:
        status = path.stat()
    except OSError:  # reported by the code that reads the file
        return None
    # The change time is that of the last change of content or of name; on Windows, that of creation.
    changed_ns = max(status.st_mtime_ns, status.st_ctime_ns)
    # A time in the future is that of a clock that was set back since.
    if time.time_ns() - changed_ns < SETTLED_S * 1e9:
        return None
    return f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"


def content_hash(path: Path) -> str:
    """SHA-256 of a picture file's bytes, 64 hex digits. Raises BadPicture if it is missing or no file of that size."""
    require_picture_file(path)
    try:
        return sha256(path)
    except FileNotFoundError as error:  # deleted a moment ago
        raise BadPicture(f"{path.name}: there is no such file; check the path") from error
    except OSError as error:
        raise BadPicture(
            f"{path.name}: cannot be read ({error.strerror}); check the file and its permissions"
        ) from error


def readable_hash(path: Path) -> str:
    """The content hash of a picture file; "" if it cannot be read, which the code that uses the picture reports."""
    try:
        return content_hash(path)
    except BadPicture:
        return ""


def is_same_picture(first: Path, second: Path) -> bool:
    """True if two files are one file, or hold the same bytes; files that are empty or cannot be read are different.

    Only files of one size are read.
    """
    if first == second:
        return True
    try:
        size_bytes = first.stat().st_size
        is_alike = size_bytes > 0 and size_bytes == second.stat().st_size
    except OSError:  # reported by the code that uses the picture
        return False
    return is_alike and (first_hash := readable_hash(first)) != "" and first_hash == readable_hash(second)


def check_content(path: Path, recorded_sha256: str) -> None:
    """Check that a file has the recorded hash. Raises ChangedPicture, and BadPicture if it cannot be read.

    recorded_sha256  "" if none was recorded: the file is not read
    """
    if recorded_sha256 and content_hash(path) != recorded_sha256:
        raise ChangedPicture(path)
