"""`evaluate`: a model's published figures on a manifest or on the data folder's labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.models import model_path, open_model
from app.settings import DataFolder, Trouble
from app.terminal import Meter, say
from db.session import Database
from engine.evaluate import evaluate
from engine.events import Notice, Progress
from engine.pairs import CardPair
from labeling.snapshot import pairs_from_manifest, pairs_from_rows


def run(data: DataFolder, model: str | None, manifest: Path | None, split: str | None) -> dict[str, Any]:
    """The metrics, with `split` and `model`. Without --split a manifest is taken whole, labels by validation only."""
    path = model_path(model, data)
    if path is None:
        raise Trouble("there is no model yet; train one, or give the path of a model.pt with --model")
    loaded, digest = open_model(path)
    chosen = split or ("all" if manifest else "val")
    pairs = [pair for pair in _pairs(data, manifest) if chosen in ("all", pair.split)]
    meter = Meter()
    for event in evaluate(loaded, pairs, data.cache):
        if isinstance(event, Progress):
            meter(event.step, event.done, event.total)
        elif isinstance(event, Notice):
            say(event.text)
        else:
            return {"split": chosen, "model": {"name": loaded.name, "sha256": digest}, **event}
    raise AssertionError("evaluate ends with its metrics")


def _pairs(data: DataFolder, manifest: Path | None) -> list[CardPair]:
    if manifest is None:
        with Database.open(data.database, backup_dir=data.backups) as database:
            return pairs_from_rows(database)[0]
    read = pairs_from_manifest(manifest)
    for refused in read.refused:
        say(str(refused))
    return read.pairs
