"""`calibrate`: calibrate a model on held-out cards and write it to a new file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from app.commands.evaluate import default_split, load_pairs, log_test_cards, require_model_path
from app.commands.export_model import carry_provenance, refuse_overwriting_model
from app.models.calibration_report import calibration_summary
from app.runs.event_lines import print_events
from app.settings import DataFolder, UserError
from app.terminal import print_message
from engine.cards.pairs import CardPair
from engine.data.selection import training_and_validation
from engine.evaluation.calibration import TooFewCards, fit, too_few_groups_message
from engine.experiments import run_folder
from engine.experiments.provenance import overlapping_cards, training_cards
from engine.experiments.run_folder import holds_run
from engine.inference.evaluate import predict_cards
from engine.inference.load_model import open_grader
from engine.storage import checkpoint
from engine.storage.file_hash import sha256


class CalibrationOptions(NamedTuple):
    """Options of a calibration.

    split               None: see `default_split`
    coverage            target coverage of the prediction intervals
    max_interval_width  cards with a wider interval, in grades, are not graded; None: recommended by `fit`
    """

    split: str | None
    coverage: float
    max_interval_width: int | None


def run(
    data: DataFolder, model: str | None, manifest: Path | None, out: Path, options: CalibrationOptions
) -> dict[str, Any]:
    """Calibrate a model and write it to `out`; returns the path, the calibration and its cross-validated metrics.

    The use of test cards is printed and logged as in `evaluate`; the log and the model card are copied to the new file.
    Too few cards are refused before any test card is used.
    Raises UserError, BadModel, NoCards, TooFewCards.
    """
    path = require_model_path(model, data)
    refuse_overwriting_model(out, path)
    loaded = open_grader(path)
    digest = loaded.sha256
    split = options.split or default_split(manifest)
    pairs = load_pairs(data, manifest, split)
    warn_about_training_cards(path, pairs)
    require_enough_groups(pairs, options.coverage)
    source = str(manifest.absolute()) if manifest else str(data.root)
    log_test_cards(data, path, digest, pairs, source=source)
    predictions = print_events(predict_cards(loaded, pairs, data.cache))
    cards = "all cards" if split == "all" else f"the {split} split"
    calibration = fit(
        predictions,
        on=f"{cards} of {manifest.name if manifest else 'the data folder'}",
        coverage=options.coverage,
        max_interval_width=options.max_interval_width,
    )
    target = out.absolute()
    content = checkpoint.load_as_stored(path)
    if sha256(path) != digest:
        raise UserError(f"{path} changed while it was being calibrated; calibrate it again")
    with carry_provenance(data, path, digest, target):
        checkpoint.save(target, {**content, "calibration": calibration.to_dict()})
    return {
        "path": str(target),
        "sha256": sha256(target),
        "split": split,
        "of": {"name": loaded.name, "sha256": digest},
        "calibration": calibration_summary(calibration),
        "measured": calibration.measured,
    }


def warn_about_training_cards(model: Path, pairs: Sequence[CardPair]) -> None:
    """Print how many of the cards the model, or a model it was initialized from, was trained or validated on."""
    if not holds_run(model.parent):
        return
    if trained_count := len(overlapping_cards(training_cards(model).cards, pairs)):
        print_message(
            f"the model has learned from {trained_count} of these cards and is overconfident on them; "
            "calibrate it on other cards"
        )
    config, run_pairs = run_folder.load(model.parent)
    validation = [pair for pair in training_and_validation(run_pairs, config) if pair.split == "val" and pair.has_class]
    if validated_count := len(overlapping_cards(validation, pairs)):
        print_message(
            f"the model's epoch was chosen on {validated_count} of these cards, which makes the calibration slightly "
            "optimistic; other cards are better"
        )


def require_enough_groups(pairs: Sequence[CardPair], coverage: float) -> None:
    """Raise TooFewCards if the labelled cards form too few groups for any calibration.

    No labelled card at all is left to the evaluation, which raises NoCards.
    """
    groups = [pair.group_key for pair in pairs if pair.has_class]
    if groups and (too_few := too_few_groups_message(groups, coverage)):
        raise TooFewCards(f"{too_few}; label more")
