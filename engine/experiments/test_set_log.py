"""How often a model's test split was opened: a line an opening in a small file beside the model. Free of torch.

Every model in one folder shares the file: those of a run are the same run, chosen with the same knowledge of its test.
A model that is made from another was chosen with the other's knowledge: it takes the lines along.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from engine.errors import BadInput

FILE = "test_openings.jsonl"


class CannotCount(BadInput):
    """The test split stays closed, since its opening could not be counted."""


def openings(model: Path) -> int:
    """How often the test split was opened for a model file."""
    return len(_lines(model))


def _lines(model: Path) -> list[str]:
    try:
        return [line for line in (model.parent / FILE).read_text(encoding="utf-8").split("\n") if line.strip()]
    except FileNotFoundError:
        return []


def open_test(model: Path, *, sha256: str, cards: int, of: str) -> int:
    """Count one more opening, before anything is measured; returns how many there are now. Raises CannotCount.

    cards  how many test cards are looked at
    of     the manifest or data folder that they stand in
    """
    line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "sha256": sha256, "cards": cards, "of": of}
    _append(model, [json.dumps(line)])
    return openings(model)


def carry(model: Path, made: Path) -> None:
    """Count the openings of a model for another that is made from it, each once however often it is made anew.

    Raises CannotCount.
    """
    # As a multiset: two openings within one second may read alike.
    missing = Counter(_lines(model)) - Counter(_lines(made))
    if missing:
        _append(made, list(missing.elements()))


def _append(model: Path, lines: Sequence[str]) -> None:
    try:
        with (model.parent / FILE).open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise CannotCount(
            f"{model.parent / FILE}: the opening of the test split cannot be counted there ({error.strerror}); copy "
            "the model into a folder that can be written to"
        ) from error
