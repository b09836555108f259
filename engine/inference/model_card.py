"""Model cards: card.json next to a model file, with its training data, metrics and limits. Does not import torch.

A card names its model by SHA-256 and is ignored for any other file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.errors import BadInput
from engine.storage.atomic import write_text

FILE_NAME = "card.json"
METRIC_NAMES = {"qwk": "QWK", "mae": "MAE", "macro_mae": "macro-MAE", "auc_9_10": "AUC (9, 10)", "ece": "ECE"}


class BadCard(BadInput):
    """A model card that cannot be read; the message names the file and the remedy."""


class EvaluationResult(BaseModel):
    """Metrics of the model on cards it was not trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: str
    """Description of the cards."""
    figures: dict[str, Any]
    """Metrics as printed by `evaluate`, with their intervals."""


class ModelCard(BaseModel):
    """Training data, metrics and limits of a model."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    sha256: str
    """SHA-256 of the model file."""
    learned_from: str
    """Training data in two or three words, as in "simulated cards"."""
    data: list[str]
    """One sentence per dataset: contents, size, seed, purpose."""
    recipe: str
    """Name of the recipe."""
    changes: dict[str, Any]
    """Settings that differ from the recipe."""
    commands: list[str]
    """Commands that made the model, in order."""
    measured: list[EvaluationResult]
    """Metrics per dataset; the summary shows the first."""
    agreement: dict[str, Any]
    """Agreement of the stored weights with full precision, as printed by `export model --bits 8 --manifest`."""
    licence: str
    """License of the training data."""
    limits: list[str]
    """Known limits, one sentence each."""

    @property
    def caveat(self) -> str:
        """Reason shown with every grade of the model."""
        return f"the model was trained only on {self.learned_from}"

    def summary(self) -> str:
        """Training data and QWK in two sentences."""
        result = self.measured[0]
        return f"Trained only on {self.learned_from}. On {result.on}: {format_metric(result.figures, 'qwk')}."


def format_metric(figures: dict[str, Any], name: str) -> str:
    """Format a metric with its interval, as in "QWK 0.81 (0.78 to 0.84)"."""
    low, high = figures.get(f"{name}_low"), figures.get(f"{name}_high")
    value = "undefined" if figures[name] is None else f"{figures[name]:.2f}"
    label = METRIC_NAMES.get(name, name.replace("_", " "))
    return f"{label} {value}" + ("" if low is None or high is None else f" ({low:.2f} to {high:.2f})")


def read_model_card(model: Path, sha256: str) -> ModelCard | None:
    """Read the card of a model file; None if there is no card with this SHA-256. Raises BadCard.

    A card.json of another program or of another model is ignored.
    """
    path = model.with_name(FILE_NAME)
    if recorded_sha256(model) != sha256:
        return None
    try:
        return ModelCard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise BadCard(
            f"{path}: not a model card that this version of Loupe can read; delete it, or export the model again"
        ) from error


def recorded_sha256(model: Path) -> str | None:
    """SHA-256 that the card next to a model file names; None without one: other programs too write a card.json."""
    path = model.with_name(FILE_NAME)
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    sha256 = content.get("sha256") if isinstance(content, dict) else None
    return sha256 if isinstance(sha256, str) else None


def copy_model_card(card: ModelCard, target: Path, sha256: str, *, replaced: str | None) -> bool:
    """Write a model's card next to `target`, a model made from it, with the SHA-256 of `target` and unchanged metrics.

    replaced  SHA-256 of the file that `target` replaced, whose card is overwritten
    returns   False if the folder has another program's or model's card.json, which is not overwritten
    """
    path = target.with_name(FILE_NAME)
    if path.exists() and recorded_sha256(target) not in {sha256, replaced} - {None}:
        return False
    origin = [] if sha256 == card.sha256 else [f"Its metrics are those of the model it was made from, {card.sha256}."]
    write(target.parent, card.model_copy(update={"sha256": sha256, "limits": [*card.limits, *origin]}))
    return True


def write(folder: Path, card: ModelCard) -> Path:
    """Write the card into the folder of its model; returns its path."""
    path = folder / FILE_NAME
    write_text(path, card.model_dump_json(indent=2) + "\n")
    return path
