"""`evaluate`: a model's published figures on a manifest or on the data folder's labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from app.grading.calibration_report import in_short
from app.grading.model_registry import model_path, open_model
from app.settings import DataFolder, Trouble
from app.terminal import Meter, say
from db.session import Database
from engine.cards.pairs import CardPair
from engine.events import Notice, Progress
from engine.experiments.test_set_log import open_test, openings
from engine.inference.evaluate import evaluate
from engine.inference.onnx_runtime import quicker
from labeling.snapshot import pairs_from_manifest, pairs_from_rows

Result = TypeVar("Result")


def run(
    data: DataFolder,
    model: str | None,
    manifest: Path | None,
    split: str | None,
    keep: Path | None = None,
    views: int = 1,
) -> dict[str, Any]:
    """The metrics, with `split`, `model`, `sees`, `views`, `test_openings` and `calibration`, None for one without.

    Without --split a manifest is taken whole, labels by validation only. Whenever cards of the test split are among
    those measured, be it by `test` or by `all`, that is counted beside the model and said. `keep` is a file for what
    the model says of each card; `views` is how often it looks at each.
    """
    path = some_model(model, data)
    loaded, digest = open_model(path)
    chosen = split or usual_split(manifest)
    pairs = pairs_of(data, manifest, chosen)
    open_test_cards(path, digest, pairs, of=str(manifest.absolute() if manifest else data.root))
    about = {
        "split": chosen,
        "test_openings": openings(path),
        "sees": loaded.config.seen,
        "views": views,
        "model": {"name": loaded.name, "sha256": digest},
        "calibration": in_short(loaded.calibration) if loaded.calibration else None,
    }
    if loaded.calibration is not None:
        say(f"calibrated on {loaded.calibration.on}: coverage and calibration error are flattered by any of them here")
        if views > 1:
            say("it was calibrated on one view of each card: of several, neither coverage nor confidence is promised")
    whole = views * sum(pair.front is not None and pair.back is not None for pair in pairs if pair.has_class)
    batch = loaded.config.batch_size
    quick = quicker(loaded, sha256=digest, cards=whole, batch=batch, folder=data.graphs, say=say)
    return {**about, **told(evaluate(quick, pairs, data.cache, keep, views))}


def some_model(name: str | None, data: DataFolder) -> Path:
    """The model file that is meant; raises Trouble where there is none."""
    path = model_path(name, data)
    if path is None:
        raise Trouble("there is no model yet; train one, or give the path of a model.pt with --model")
    return path


def told(events: Iterator[Notice | Progress | Result]) -> Result:
    """What comes last, all that happens on the way told on the terminal."""
    meter = Meter()
    for event in events:
        if isinstance(event, Progress):
            meter(event.step, event.done, event.total)
        elif isinstance(event, Notice):
            say(event.text)
        else:
            return event
    raise AssertionError("what is measured ends with its result")


def open_test_cards(model: Path, digest: str, pairs: Sequence[CardPair], *, of: str) -> None:
    """Count the opening of the test split, and say so, where any of the cards stands in it."""
    cards = sum(pair.split == "test" and pair.has_class for pair in pairs)
    if cards:
        count = open_test(model, sha256=digest, cards=cards, of=of)
        say(f"the test split is opened: {cards} of its cards are measured; this is opening {count} for this model")


def usual_split(manifest: Path | None) -> str:
    """Which cards are meant where nothing is said: of a manifest all, of the data folder those to validate on."""
    return "all" if manifest else "val"


def pairs_of(data: DataFolder, manifest: Path | None, split: str) -> list[CardPair]:
    """The cards of a split, or of `all`, of a manifest or else of the data folder's labels."""
    return [pair for pair in _all_pairs(data, manifest) if split in ("all", pair.split)]


def _all_pairs(data: DataFolder, manifest: Path | None) -> list[CardPair]:
    if manifest is None:
        with Database.open(data.database, backup_dir=data.backups) as database:
            return pairs_from_rows(database)[0]
    read = pairs_from_manifest(manifest)
    for refused in read.refused:
        say(str(refused))
    return read.pairs
