"""Log of every use of the test split, one JSON line each, in the data folder with a file per model. Free of torch.

A file is named by the model's SHA-256: the model itself may be in a read-only folder, as the starter is. The log that
an earlier version wrote next to a model counts too. Exporting or calibrating a model copies its log.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from engine.errors import BadInput

EARLIER_FILE = "test_openings.jsonl"  # next to the model, shared by all models of that folder


class CannotLogTestAccess(BadInput):
    """The log cannot be written, so the test split must not be used."""


def access_count(folder: Path, model: Path, sha256: str) -> int:
    """Number of times that the test split was used with the model file with this SHA-256; `folder` has the logs."""
    return _lines(folder, model, sha256).total()


def log_test_access(folder: Path, model: Path, *, sha256: str, cards: int, of: str) -> int:
    """Log a use of the test split, before anything is measured; return the number of uses so far.

    Raises CannotLogTestAccess.

    folder  folder of the logs, created if missing
    cards   number of test cards
    of      their manifest or data folder
    """
    line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "sha256": sha256, "cards": cards, "of": of}
    _append(_file(folder, sha256), [json.dumps(line)])
    return access_count(folder, model, sha256)


def copy_log(folder: Path, model: Path, sha256: str, *, derived: Path, derived_sha256: str) -> None:
    """Copy the log of a model to one derived from it; lines that are already there are not repeated.

    Raises CannotLogTestAccess.
    """
    missing = _lines(folder, model, sha256) - _lines(folder, derived, derived_sha256)
    if missing:
        _append(_file(folder, derived_sha256), missing.elements())


def _file(folder: Path, sha256: str) -> Path:
    return folder / f"{sha256}.jsonl"


def _lines(folder: Path, model: Path, sha256: str) -> Counter[str]:
    """Lines of both logs; as a multiset, since two uses within one second may give equal lines."""
    # The greater count, not the sum: a log copied to another model of the same folder repeats the lines of that folder.
    return _read(_file(folder, sha256)) | _read(model.parent / EARLIER_FILE)


def _read(file: Path) -> Counter[str]:
    try:
        return Counter(line for line in file.read_text(encoding="utf-8").split("\n") if line.strip())
    except FileNotFoundError:
        return Counter()


def _append(path: Path, lines: Iterable[str]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise CannotLogTestAccess(
            f"{path}: the use of the test split cannot be logged ({error.strerror}); give a writable folder with --data"
        ) from error
