"""Exceptions with a message for the user: shown as one sentence, never as a traceback."""

from __future__ import annotations

import errno

from app.settings import UserError
from db.session import DatabaseUnusable
from engine.errors import BadInput
from engine.storage.disk_space import disk_full_message
from labeling.discover import ImportRefused
from labeling.export import ExportRefused
from labeling.snapshot import NothingToTrainOn
from labeling.splits import LeakingSplit

USER_ERRORS: tuple[type[Exception], ...] = (
    UserError,
    BadInput,
    DatabaseUnusable,
    ImportRefused,
    ExportRefused,
    LeakingSplit,
    NothingToTrainOn,
)

# A file that another user owns, a file in the place of a folder, a broken disk: all for the user to mend.
FILE_PROBLEMS = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
        *(errno.ENOTEMPTY, errno.ENAMETOOLONG, errno.ELOOP, errno.EIO, errno.EBUSY, errno.EMFILE, errno.ENFILE),
    }
)


def user_message(error: BaseException) -> str | None:
    """The sentence to show for an exception: of the user errors and of a file that cannot be used; None for a bug."""
    return str(error) if isinstance(error, USER_ERRORS) else disk_full_message(error) or _file_message(error)


def _file_message(error: BaseException) -> str | None:
    """The sentence for an error of the file system that names its file, such as a missing permission."""
    if not isinstance(error, OSError) or error.errno not in FILE_PROBLEMS or not error.filename:
        return None
    return f"{error.filename} cannot be used ({error.strerror}); check it, its folder and their permissions"
