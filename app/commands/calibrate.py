"""`calibrate`: a model's probabilities and doubt set right on held-out cards, written as a new model file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from app.commands.evaluate import open_test_cards, pairs_of, some_model, told, usual_split
from app.commands.export_model import made_from, refuse_itself
from app.grading.calibration_report import in_short
from app.grading.model_registry import open_grader
from app.settings import DataFolder, Trouble
from app.terminal import say
from engine.cards.pairs import CardPair
from engine.data.selection import taken
from engine.evaluation.calibration import TooFewCards, fit, shortage
from engine.experiments import run_folder
from engine.experiments.provenance import again, learned_by
from engine.experiments.run_folder import holds_run, sha256
from engine.inference.evaluate import predictions_of
from engine.storage import checkpoint


class Asked(NamedTuple):
    """On which cards, how sure the intervals shall be, and how wide they may be for a card to be graded.

    split  None: those that `usual_split` names
    """

    split: str | None
    coverage: float
    widest: int | None


def run(data: DataFolder, model: str | None, manifest: Path | None, out: Path, asked: Asked) -> dict[str, Any]:
    """Where the calibrated model lies, and its calibration with the figures that it reaches on cards left aside.

    Calibrating on cards of the test split opens it: that is counted beside the model and said, as `evaluate` does, and
    every opening counts for the new file too, which also has the model's card. Too few cards are refused before they
    are opened.
    Raises Trouble, BadModel, NoCards, TooFewCards.
    """
    path = some_model(model, data)
    refuse_itself(out, path)
    loaded, digest = open_grader(path)
    split = asked.split or usual_split(manifest)
    pairs = pairs_of(data, manifest, split)
    say_of_known(path, pairs)
    refuse_too_few(pairs, asked.coverage)
    where = str(manifest.absolute()) if manifest else str(data.root)
    open_test_cards(path, digest, pairs, of=where)
    predictions = told(predictions_of(loaded, pairs, data.cache))
    cards = "all cards" if split == "all" else f"the {split} split"
    calibration = fit(
        predictions,
        on=f"{cards} of {manifest.name if manifest else 'the data folder'}",
        coverage=asked.coverage,
        widest=asked.widest,
    )
    target = out.absolute()
    content = checkpoint.load_as_stored(path)
    if sha256(path) != digest:
        raise Trouble(f"{path} changed while it was being calibrated; calibrate it again")
    with made_from(path, digest, target):
        checkpoint.save(target, {**content, "calibration": calibration.as_plain()})
    return {
        "path": str(target),
        "sha256": sha256(target),
        "split": split,
        "of": {"name": loaded.name, "sha256": digest},
        "calibration": in_short(calibration),
        "measured": calibration.measured,
    }


def say_of_known(model: Path, pairs: Sequence[CardPair]) -> None:
    """Say how many of the cards the run beside the model, or one it goes back to, was told: of those it is surer."""
    if not holds_run(model.parent):
        return
    if learned := len(again(learned_by(model).cards, pairs)):
        say(f"the model has learned from {learned} of these cards and is too sure of them; calibrate it on others")
    config, told_of = run_folder.told(model.parent)
    judges = [pair for pair in taken(told_of, config) if pair.split == "val" and pair.has_class]
    if chose := len(again(judges, pairs)):
        say(f"{chose} of these cards chose the model's epoch, which flatters it a little; others do it better")


def refuse_too_few(pairs: Sequence[CardPair], coverage: float) -> None:
    """Raises TooFewCards where labelled cards are of too few groups, whatever a model may say of them.

    Where there are none at all, that is said by what looks at them.
    """
    groups = [pair.group_key for pair in pairs if pair.has_class]
    if groups and (too_few := shortage(groups, coverage)):
        raise TooFewCards(f"{too_few}; label more")
