"""`evaluate`: metrics of a model on a manifest or on the data folder's labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from app.models.calibration_report import calibration_summary
from app.models.model_registry import model_path
from app.runs.event_lines import print_events
from app.settings import DataFolder, UserError
from app.terminal import print_message
from db.session import Database
from engine.cards.pairs import CardPair
from engine.experiments.test_set_log import access_count, log_test_access
from engine.inference.evaluate import evaluate
from engine.inference.load_model import open_model
from engine.inference.onnx_runtime import with_onnx_runtime
from labeling.snapshot import LeftOutCard, left_out_lines, pairs_from_manifest, pairs_from_rows


def run(
    data: DataFolder,
    model: str | None,
    manifest: Path | None,
    split: str | None,
    predictions_path: Path | None = None,
    views: int = 1,
    *,
    uncalibrated: bool = False,
) -> dict[str, Any]:
    """Evaluate a model; returns `split`, `test_openings`, `sees`, `views`, `model`, `calibration` and the metrics.

    Every use of test cards, by split `test` or `all`, is printed and logged in the data folder.

    split             None: see `default_split`
    predictions_path  file for the predictions of each card
    views             augmented views per card (test-time augmentation)
    uncalibrated      ignore the model's calibration
    """
    path = require_model_path(model, data)
    loaded = open_model(path)
    digest = loaded.sha256
    if uncalibrated:
        loaded = replace(loaded, calibration=None)
    split = split or default_split(manifest)
    pairs = load_pairs(data, manifest, split)
    log_test_cards(data, path, digest, pairs, source=str(manifest.absolute() if manifest else data.root))
    metadata = {
        "split": split,
        "test_openings": access_count(data.test_openings, path, digest),
        "sees": loaded.config.input_region,
        "views": views,
        "model": {"name": loaded.name, "sha256": digest},
        "calibration": calibration_summary(loaded.calibration) if loaded.calibration else None,
    }
    if loaded.calibration is not None:
        print_message(
            f"calibrated on {loaded.calibration.on}: coverage and calibration error are optimistic if these cards "
            "are among them"
        )
        if views > 1:
            print_message("calibrated without test-time augmentation: with --tta coverage and confidence may be off")
    forward_passes = views * sum(pair.front is not None and pair.back is not None for pair in pairs if pair.has_class)
    batch = loaded.config.batch_size
    inference_model = with_onnx_runtime(
        loaded, sha256=digest, cards=forward_passes, batch=batch, folder=data.graphs, notify=print_message
    )
    return {**metadata, **print_events(evaluate(inference_model, pairs, data.cache, predictions_path, views))}


def require_model_path(name: str | None, data: DataFolder) -> Path:
    """The path of the named model, or of the default model. Raises UserError if there is none."""
    path = model_path(name, data)
    if path is None:
        raise UserError("there is no model yet; train one, or give the path of a model.pt with --model")
    return path


def log_test_cards(data: DataFolder, model: Path, digest: str, pairs: Sequence[CardPair], *, source: str) -> None:
    """Log and print the use of test cards, if there are any among `pairs`."""
    card_count = sum(pair.split == "test" and pair.has_class for pair in pairs)
    if card_count:
        use_count = log_test_access(data.test_openings, model, sha256=digest, cards=card_count, of=source)
        print_message(f"{card_count} test cards are used; this is use {use_count} of the test split for this model")


def default_split(manifest: Path | None) -> str:
    """The split if none is given: all cards of a manifest, the validation cards of the data folder."""
    return "all" if manifest else "val"


def load_pairs(data: DataFolder, manifest: Path | None, split: str) -> list[CardPair]:
    """The cards of a split, or `all`, from the manifest or, without one, from the data folder's labels."""
    return [pair for pair in _all_pairs(data, manifest) if split in ("all", pair.split)]


def _all_pairs(data: DataFolder, manifest: Path | None) -> list[CardPair]:
    if manifest is None:
        with Database.open(data.database, backup_dir=data.backups) as database:
            pairs, left_out = pairs_from_rows(database)
        print_left_out(left_out)
        return pairs
    content = pairs_from_manifest(manifest)
    for sentence in (*content.notices, *map(str, content.refused)):
        print_message(sentence)
    return content.pairs


def print_left_out(cards: Sequence[LeftOutCard]) -> None:
    """Print which cards are left out because a picture of theirs is missing or has changed, and their number."""
    for line in left_out_lines([asdict(card) for card in cards]):
        print_message(line)
