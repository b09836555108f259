"""Runs that belong together, one after the other in one process: the folds of a cross-validation, a model's controls.

All are told at the beginning, each in a folder of its own that resumes like any run; so the whole does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from app.commands.follow import follow, listening
from app.settings import Trouble
from app.terminal import say
from engine import config as configuration
from engine.cards.folds import fold_of_each, with_fold
from engine.cards.pairs import CardPair
from engine.config import Config
from engine.errors import BadInput
from engine.evaluation import predictions
from engine.evaluation.metrics import measure
from engine.evaluation.predictions import Predictions
from engine.experiments import run_folder
from engine.experiments.plans import Plan, record
from engine.experiments.run_folder import CONTROL, CONTROLS, FOLD, controls_in, folds_in, told_folds
from engine.training.learner import FailedByRule
from engine.training.loop import resume

REPORTED = ("qwk", "qwk_low", "qwk_high", "exact", "mae", "n")


def of_folds(config: Config) -> Config:
    """The settings of each fold, without the rules of `stop_if`, which is said where there are any.

    Every card is to be judged, also by a fold that does badly. A plan's failures judge each fold and end none.
    """
    if config.stop_if:
        say(f"no fold is ended by stop_if={config.stop_if}: every card is to be judged; --fail judges each fold")
    return config.model_copy(update={"stop_if": ""})


def tell_folds(out: Path, config: Config, pairs: Sequence[CardPair], plan: Plan, folds: int) -> None:
    """Write what each fold's run is told into out/fold-1, out/fold-2, ... Raises TooFewGroups.

    Raises Trouble where folds beyond these were told there before, and their telling never came to its end: left there,
    they would be trained among them.
    """
    told_now = [out / f"{FOLD}{fold + 1}" for fold in range(folds)]
    if others := [folder.name for folder in told_folds(out) if folder not in told_now]:
        raise Trouble(
            f"{out} holds {', '.join(others)} of a cross-validation of more than {folds} folds that never began; "
            f"remove {out}, or give another folder with --out"
        )
    pairs = [pair.absolute() for pair in pairs]
    fold_of = fold_of_each(pairs, folds, config.seed)
    # The first one last: where it stands, all stand (run_folder.folds_in).
    for fold, folder in reversed([*enumerate(told_now)]):
        record(folder, plan)
        run_folder.record(folder, config, with_fold(pairs, fold_of, fold))


def tell_controls(out: Path, config: Config, pairs: Sequence[CardPair]) -> None:
    """Write what the controls of the run in `out` are told into out/control-background and out/control-label.

    Without the rules of `stop_if`: a control is there to score low.
    """
    hidden = dict.fromkeys(configuration.SHOW_THE_CARD & config.model_dump().keys(), 0)
    for seen in CONTROLS:
        told = configuration.build({**config.model_dump(), **hidden, "seen": seen, "stop_if": ""})
        run_folder.record(out / f"{CONTROL}{seen}", told, [pair.absolute() for pair in pairs])


def train_folds(out: Path, most: int | None = None) -> dict[str, Any]:
    """Train the folds one by one, or go on where they stopped; what every card got from the run that never saw it.

    most  only so many folds, the first ones, and their cards
    Each fold's epoch was chosen on the cards it is judged by, which flatters all of them a little.
    """
    folders, told = folds_in(out)[:most], []
    with listening() as stop:
        for folder in folders:
            say(f"{folder.name} of {len(folders)}")
            said = follow(resume(folder, stop, out / "cache"))
            if said.get("stopped"):
                return {**said, "fold": folder.name}
            told.append({"model": said["model"], "saved_epoch": said["saved_epoch"], **{k: said[k] for k in REPORTED}})
    together = Predictions.together(predictions.read(folder / predictions.FILE) for folder in folders)
    predictions.write(out / predictions.FILE, together)
    metrics = measure(together.truth, together.probabilities, together.groups)
    return {"split": "out of fold", "folds": told, "predictions": str((out / predictions.FILE).absolute()), **metrics}


def train_with_controls(out: Path) -> dict[str, Any]:
    """Train the run in a folder, or go on with it, then its controls; their figures stand beside its own.

    Raises FailedByRule only after the controls: what the card adds to a score is asked of a low score too.
    """
    with listening() as stop:
        try:
            said = follow(resume(out, stop))
        except FailedByRule:
            _train_controls(out, stop)
            raise
        if said.get("stopped"):
            return said
        controls = _train_controls(out, stop)
    if controls.get("stopped"):
        return controls
    return {**said, "controls": controls} if controls else said


def _train_controls(out: Path, stop: Callable[[], bool]) -> dict[str, Any]:
    """What each control of a run came to, or why it could not be trained; or where one of them stopped."""
    controls: dict[str, Any] = {}
    for seen, folder in controls_in(out).items():
        say(f"the control that is shown the {seen} alone")
        try:
            own = follow(resume(folder, stop, out / "cache"))
        except BadInput as error:  # no picture of a slab, say: the model itself is as good as it was
            controls[seen] = {"reason": str(error)}
            continue
        if own.get("stopped"):
            return own
        controls[seen] = {name: own[name] for name in ("model", *REPORTED)}
    return controls
