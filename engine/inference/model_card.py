"""A model's card: a plain file beside it that says what it learned from, how well it does, and what it does not know.

Free of torch. The card names its model by SHA-256: beside another file it says nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.errors import BadInput
from engine.storage.atomic import aside

FILE = "card.json"
LABELS = {"qwk": "QWK", "mae": "MAE", "macro_mae": "macro-MAE", "auc_9_10": "AUC (9, 10)", "ece": "ECE"}


class BadCard(BadInput):
    """A card that cannot be read; the message names the file and the remedy."""


class Measured(BaseModel):
    """Figures of the model on cards that it has not learned from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: str
    """Which cards these were."""
    figures: dict[str, Any]
    """As `evaluate` prints them, with their intervals."""


class Card(BaseModel):
    """What is known of a model, for whoever is graded by it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    sha256: str
    """Of the model's file."""
    learned_from: str
    """In two or three words, as in "simulated cards"."""
    data: list[str]
    """A sentence for each set of cards: what, how many, by which seed, for what."""
    recipe: str
    """The named recipe."""
    changes: dict[str, Any]
    """The settings that differ from it."""
    commands: list[str]
    """What made it, in order."""
    measured: list[Measured]
    """How well it does; the first is the one told in short."""
    agreement: dict[str, Any]
    """Of the stored weights with those at full precision, as `export model --bits 8 --manifest` prints it."""
    licence: str
    """Of all that it learned from."""
    limits: list[str]
    """A sentence each."""

    @property
    def reason(self) -> str:
        """What every grade of it is to be read with."""
        return f"the model has learned from {self.learned_from} alone"

    def in_short(self) -> str:
        """A sentence or two."""
        said = self.measured[0]
        return f"It has learned from {self.learned_from} alone. On {said.on}: {figure(said.figures, 'qwk')}."


def figure(figures: dict[str, Any], name: str) -> str:
    """One figure with its interval, as in "QWK 0.81 (0.78 to 0.84)"."""
    low, high = figures.get(f"{name}_low"), figures.get(f"{name}_high")
    value = "undefined" if figures[name] is None else f"{figures[name]:.2f}"
    label = LABELS.get(name, name.replace("_", " "))
    return f"{label} {value}" + ("" if low is None or high is None else f" ({low:.2f} to {high:.2f})")


def card_of(model: Path, sha256: str) -> Card | None:
    """The card beside a model file, None where there is none for this very file. Raises BadCard.

    A file of that name that belongs to something else, whatever it holds, is as good as none.
    """
    path = model.with_name(FILE)
    if _named(path) != sha256:
        return None
    try:
        return Card.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise BadCard(f"{path}: is no card that this version of Loupe knows; delete it, or export it again") from error


def _named(path: Path) -> str | None:
    """The SHA-256 that a card names, None where nothing there names one: other programs write a card.json too."""
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    named = content.get("sha256") if isinstance(content, dict) else None
    return named if isinstance(named, str) else None


def carry(card: Card, made: Path, sha256: str, *, replaced: str | None) -> bool:
    """Write the card of a model beside another that is made from it, now of that SHA-256; its figures stay the first's.

    replaced  the SHA-256 of the file whose place the new one took: its card gives way
    returns   whether it is written: a file of that name that belongs to something else is left as it is
    """
    path = made.with_name(FILE)
    if path.exists() and _named(path) not in {sha256, replaced} - {None}:
        return False
    of = [] if sha256 == card.sha256 else [f"Its figures are those of the model it was made from, {card.sha256}."]
    write(made.parent, card.model_copy(update={"sha256": sha256, "limits": [*card.limits, *of]}))
    return True


def write(folder: Path, card: Card) -> Path:
    """Write the card into its model's folder; returns its path."""
    path = folder / FILE
    with aside(path) as part:
        part.write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return path
