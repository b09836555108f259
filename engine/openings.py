"""How often a model's test split was opened: a line an opening in a small file beside the model. Free of torch.

Every model in one folder shares the file: those of a run are the same run, chosen with the same knowledge of its test.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from engine.errors import BadInput

FILE = "test_openings.jsonl"


class CannotCount(BadInput):
    """The test split stays closed, since its opening could not be counted."""


def openings(model: Path) -> int:
    """How often the test split was opened for a model file."""
    try:
        return sum(bool(line.strip()) for line in (model.parent / FILE).read_text(encoding="utf-8").split("\n"))
    except FileNotFoundError:
        return 0


def open_test(model: Path, *, sha256: str, cards: int, of: str) -> int:
    """Count one more opening, before anything is measured; returns how many there are now. Raises CannotCount.

    cards  how many test cards are looked at
    of     the manifest or data folder that they stand in
    """
    line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "sha256": sha256, "cards": cards, "of": of}
    try:
        with (model.parent / FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    except OSError as error:
        raise CannotCount(
            f"{model.parent / FILE}: the opening of the test split cannot be counted there ({error.strerror}); copy "
            "the model into a folder that can be written to"
        ) from error
    return openings(model)
