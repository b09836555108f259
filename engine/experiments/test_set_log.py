"""Log of every use of the test split, one JSON line each, in the model's folder. Free of torch.

One log per folder: all models of a run share it. Exporting or calibrating a model copies the log.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from engine.errors import BadInput

FILE = "test_openings.jsonl"


class CannotLogTestAccess(BadInput):
    """The log cannot be written, so the test split must not be used."""


def access_count(model: Path) -> int:
    """Number of times that the test split was used with a model."""
    return len(_lines(model))


def _lines(model: Path) -> list[str]:
    try:
        return [line for line in (model.parent / FILE).read_text(encoding="utf-8").split("\n") if line.strip()]
    except FileNotFoundError:
        return []


def log_test_access(model: Path, *, sha256: str, cards: int, of: str) -> int:
    """Log a use of the test split, before anything is measured; return the number of uses so far.

    Raises CannotLogTestAccess.

    cards  number of test cards
    of     their manifest or data folder
    """
    line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "sha256": sha256, "cards": cards, "of": of}
    _append(model, [json.dumps(line)])
    return access_count(model)


def copy_log(model: Path, derived: Path) -> None:
    """Copy the log of a model to one derived from it; lines that are already there are not repeated.

    Raises CannotLogTestAccess.
    """
    # As a multiset: two uses within one second may give equal lines.
    missing = Counter(_lines(model)) - Counter(_lines(derived))
    if missing:
        _append(derived, list(missing.elements()))


def _append(model: Path, lines: Sequence[str]) -> None:
    try:
        with (model.parent / FILE).open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise CannotLogTestAccess(
            f"{model.parent / FILE}: the use of the test split cannot be logged ({error.strerror}); copy the model to "
            "a writable folder"
        ) from error
