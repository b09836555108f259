"""Full disk: one error in place of the many forms in which libraries report it, and reserved space. Free of torch."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from engine.errors import BadInput

# No space, no quota, or a file larger than the file system or a limit of the process allows.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
ZEROS = bytes(1 << 20)


class DiskFull(BadInput):
    """A file that could not be written because the disk is full; the message names the file and the remedy."""


def disk_full_message(error: BaseException, path: Path | None = None) -> str | None:
    """Sentence for the user if a full disk caused `error`; None if something else did.

    path  the file, if known; otherwise the one that the error names
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, DiskFull):
            return str(cause)
        if isinstance(cause, OSError) and cause.errno in FULL:
            # Of a copy, the second name is that of the file that could not be written.
            name = path or cause.filename2 or cause.filename or "a file"
            return (
                f"the disk is full: {name} could not be written ({cause.strerror}); free some space and start again, "
                "what has been saved is kept"
            )
        # torch.save reports a write that failed as a RuntimeError during the OSError.
        cause = cause.__cause__ or cause.__context__
    return None


@contextmanager
def translate_disk_full(path: Path | None = None) -> Iterator[None]:
    """Raise DiskFull if the block fails because of a full disk; other exceptions pass unchanged."""
    try:
        yield
    except DiskFull:
        raise
    except (OSError, RuntimeError) as error:
        message = disk_full_message(error, path)
        if message is None:
            raise
        raise DiskFull(message) from error


def reserve(file: BinaryIO, end: int, *, used: int) -> None:
    """Allocate the bytes of a file from `used` to `end`; those below `used` keep their content. Raises OSError.

    For a memory map: if a full disk has no room for a page of it, the process is killed by SIGBUS. If there is no room,
    the file keeps its size.
    """
    size = file.seek(0, os.SEEK_END)
    start = min(used, size)
    if end <= start:
        return
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), start, end - start)
        else:
            file.seek(start)
            for position in range(start, end, len(ZEROS)):
                file.write(ZEROS[: end - position])
            file.flush()
    except OSError:
        file.truncate(size)
        raise
