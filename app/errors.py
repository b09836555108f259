"""Exceptions with a message for the user: shown as one sentence, never as a traceback."""

from __future__ import annotations

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


def user_message(error: BaseException) -> str | None:
    """The sentence to show for an exception: of the user errors and of a full disk; None for a bug."""
    return str(error) if isinstance(error, USER_ERRORS) else disk_full_message(error)
