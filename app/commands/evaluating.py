"""`evaluate`: a model's published figures on a manifest or on the data folder's labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from app.models import model_path, open_model
from app.settings import DataFolder, Trouble
from app.terminal import Meter, say
from db.session import Database
from engine.evaluate import evaluate
from engine.events import Notice, Progress
from engine.grades import LeftOut
from engine.openings import open_test, openings
from engine.pairs import CardPair
from engine.quicker import quicker
from labeling.snapshot import pairs_from_manifest, pairs_from_rows

Result = TypeVar("Result")


def run(
    data: DataFolder, model: str | None, manifest: Path | None, split: str | None, keep: Path | None = None
) -> dict[str, Any]:
    """The metrics, with `split`, `model`, `sees` and `test_openings`.

    Without --split a manifest is taken whole, labels by validation only. Whenever cards of the test split are among
    those measured, be it by `test` or by `all`, that is counted beside the model and said. `keep` is a file for what
    the model says of each card.
    """
    path = model_path(model, data)
    if path is None:
        raise Trouble("there is no model yet; train one, or give the path of a model.pt with --model")
    loaded, digest = open_model(path)
    chosen = split or ("all" if manifest else "val")
    pairs = [pair for pair in pairs_of(data, manifest) if chosen in ("all", pair.split)]
    _open_test(path, digest, pairs, of=str(manifest.absolute() if manifest else data.root))
    about = {
        "split": chosen,
        "test_openings": openings(path),
        "sees": loaded.config.seen,
        "model": {"name": loaded.name, "sha256": digest},
    }
    whole = sum(pair.front is not None and pair.back is not None for pair in pairs)
    batch = loaded.config.batch_size
    quick = quicker(loaded, sha256=digest, cards=whole, batch=batch, folder=data.graphs, say=say)
    return {**about, **last_of(evaluate(quick, pairs, data.cache, keep))}


def last_of(events: Iterator[Notice | Progress | Result]) -> Result:
    """Tell what happens on the way; returns what stands at the end."""
    meter = Meter()
    for event in events:
        if isinstance(event, Progress):
            meter(event.step, event.done, event.total)
        elif isinstance(event, Notice):
            say(event.text)
        else:
            return event
    raise AssertionError("the figures stand at the end")


def _open_test(model: Path, digest: str, pairs: Sequence[CardPair], *, of: str) -> None:
    """Count the opening of the test split, and say so, where any of the cards stands in it."""
    cards = sum(pair.split == "test" and not isinstance(pair.target(), LeftOut) for pair in pairs)
    if cards:
        count = open_test(model, sha256=digest, cards=cards, of=of)
        say(f"the test split is opened: {cards} of its cards are measured; this is opening {count} for this model")


def pairs_of(data: DataFolder, manifest: Path | None) -> list[CardPair]:
    """The cards of a manifest, else those of the data folder; of refused ones it is said why."""
    if manifest is None:
        with Database.open(data.database, backup_dir=data.backups) as database:
            return pairs_from_rows(database)[0]
    read = pairs_from_manifest(manifest)
    for refused in read.refused:
        say(str(refused))
    return read.pairs
