"""Retraining: the labels that changed since the model in use was trained, and the settings of a run from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from app.markdown import counted
from app.models.named_model import NamedModel, starter_pictures
from db import runs
from db.session import Database
from engine import config as configuration
from engine import recipes
from engine.cards.pairs import CardPair
from engine.config import BadConfig, Config
from engine.errors import BadInput
from engine.experiments import run_folder

Preset = Literal["quick", "standard", "best"]
LOW_GRADE = 3
STARTER_RECIPE = "photographs"  # the recipe of the model that ships


@dataclass(frozen=True)
class PresetSettings:
    """A preset in plain words; `epochs` if the run continues a model, `first_epochs` if it begins from nothing."""

    title: str
    sentence: str
    epochs: int
    first_epochs: int
    max_pairs: int = 0


PRESETS: dict[Preset, PresetSettings] = {
    "quick": PresetSettings(
        "Quick check", "at most 300 cards: does it run, does it learn? No model to keep", 3, 5, 300
    ),
    "standard": PresetSettings("Standard", "all cards: what you usually want", 20, 50),
    "best": PresetSettings("Best", "all cards, for a night on a slow machine", 50, 100),
}


@dataclass(frozen=True)
class LabelChanges:
    """Labels that a model has not learned as they are now.

    changed  cards labelled since, with another grade now, or no longer to be learned from
    low      those of them whose grade is, or was, at most LOW_GRADE
    """

    changed: int
    low: int


@dataclass(frozen=True)
class RetrainBase:
    """Starting point of a retraining.

    recipe, parent  of the run's plan
    settings        that differ from the recipe
    continues       what it continues, as "run 3"; "" if it begins from nothing
    note            why it does not continue the model in use; "" if it does
    """

    recipe: str
    parent: str
    settings: dict[str, Any]
    continues: str
    note: str = ""

    def config(self, preset: Preset) -> Config:
        """The settings of a run. Raises BadConfig."""
        chosen = PRESETS[preset]
        epochs = chosen.epochs if self.continues else chosen.first_epochs
        changes = {"phase1_epochs": 0, "phase2_epochs": epochs, "max_pairs": chosen.max_pairs}
        return recipes.recipe_config(self.recipe, {**self.settings, **changes})


def label_changes(named: NamedModel | None, pairs: Sequence[CardPair]) -> LabelChanges | None:
    """Compare the present labels with those that a model was trained on; None if these are not known.

    pairs  the cards with a label to learn from, as `labeling.snapshot.pairs_from_rows` returns them
    """
    before = {} if named is None else _learned_labels(named, pairs)
    if before is None:
        return None
    now = {pair.card_id: target for pair in pairs if isinstance(target := pair.target(), int)}
    changed = {card for card in now.keys() | before.keys() if now.get(card) != before.get(card)}
    low = sum(min(now.get(card, 10), before.get(card, 10)) <= LOW_GRADE for card in changed)
    return LabelChanges(len(changed), low)


def _learned_labels(named: NamedModel, pairs: Sequence[CardPair]) -> dict[str, int] | None:
    """Grade of each card that the model was trained or validated on, by card id; None if unknown."""
    if named.is_starter:
        known = starter_pictures()
        learned = [pair for pair in pairs if known & {pair.front_sha256, pair.back_sha256}]
    else:
        try:
            _, learned = run_folder.load(named.path.parent)
        except BadInput:
            return None
    return {pair.card_id: target for pair in learned if isinstance(target := pair.target(), int)}


def retrain_base(database: Database, named: NamedModel | None, pairs: Sequence[CardPair]) -> RetrainBase:
    """Start a retraining from the model in use if its run is known, else from the default recipe.

    It starts from the starter unless that has learned from cards that the run would be judged by.
    """
    if named is None:
        return RetrainBase(recipes.DEFAULT, "", {}, "")
    if named.is_starter:
        known = starter_pictures()
        judges = sum(bool(known & {pair.front_sha256, pair.back_sha256}) for pair in pairs if pair.split != "train")
        if judges:
            note = f"it begins from nothing, for the starter has learned from {counted(judges)} that would judge it"
            return RetrainBase(recipes.DEFAULT, "", {}, "", note)
        return RetrainBase(STARTER_RECIPE, "", {"pretrained": "starter"}, "the starter")
    with database.reading() as session:
        run = None if named.run_id is None else runs.get(session, run_id=named.run_id)
    if run is None or run.recipe not in recipes.RECIPES:
        note = "it begins from nothing, for the model in use is not of a run here"
        return RetrainBase(recipes.DEFAULT, "", {}, "", note)
    try:
        config = configuration.from_saved(run.config)
    except BadConfig:
        note = f"it begins from nothing, for run {run.id} has settings that this version does not know"
        return RetrainBase(recipes.DEFAULT, "", {}, "", note)
    different = configuration.difference(config, recipes.recipe_config(run.recipe))
    # Rules of early stopping name epochs, which the run may not have.
    settings = {name: own for name, (_, own) in different.items() if name != "stop_if"}
    return RetrainBase(run.recipe, f"run {run.id}", {**settings, "pretrained": str(named.path)}, f"run {run.id}")


def retrain_text(named: NamedModel | None, base: RetrainBase, pairs: Sequence[CardPair]) -> str:
    """Markdown: what has changed, and what a retraining starts from."""
    sentences = [
        f"Training continues {base.continues}." if base.continues else "",
        f"{base.note[:1].upper()}{base.note[1:]}." if base.note else "",
    ]
    return f"### {_head(named, pairs)}\n\n{' '.join(filter(None, sentences))}"


def _head(named: NamedModel | None, pairs: Sequence[CardPair]) -> str:
    changes = label_changes(named, pairs)
    if named is None or changes is None:
        return f"{_labels(len(pairs))} to learn from"
    if changes.changed == 0:
        return f"No label has changed since {named.name}, in use, was trained"
    low = f" ({changes.low} of grade {LOW_GRADE} and below)" if changes.low else ""
    if named.is_starter:
        return f"{_labels(changes.changed)} that the starter, in use, has not learned{low}"
    return f"{_labels(changes.changed)} changed since {named.name}, in use, was trained{low}"


def _labels(count: int) -> str:
    return "1 label" if count == 1 else f"{count} labels"


def preset_choices(base: RetrainBase) -> list[tuple[str, Preset]]:
    """The presets as (text, name)."""
    return [
        (f"{preset.title}: {preset.epochs if base.continues else preset.first_epochs} epochs, {preset.sentence}", name)
        for name, preset in PRESETS.items()
    ]
