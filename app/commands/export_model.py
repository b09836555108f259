"""`export model`: the file as it is, its weights in 8 bits, or an ONNX graph; and how far each agrees with it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from app.commands.evaluate import pairs_of, told
from app.settings import DataFolder, Trouble
from app.terminal import say
from engine.evaluation.agreement import agreement
from engine.evaluation.predictions import Predictions
from engine.experiments import test_set_log
from engine.experiments.run_folder import sha256
from engine.inference import model_card as cards
from engine.inference import onnx_export
from engine.inference.evaluate import predictions_of
from engine.inference.loaded_model import Model, load_model
from engine.inference.model_card import card_of
from engine.inference.onnx_runtime import OnnxNetwork
from engine.storage import checkpoint
from engine.storage.atomic import aside

Form = Literal["model", "8 bits", "onnx"]
SUFFIX: dict[Form, str] = {"model": "model.pt", "8 bits": "model-8-bits.pt", "onnx": "model.onnx"}


@dataclass(frozen=True)
class Asked:
    """How a model is to be written.

    manifest  labelled cards on which the written form is compared with the model; those of a test split are left out,
              since that split is opened by `evaluate` alone
    """

    form: Form = "model"
    manifest: Path | None = None


AS_IT_IS = Asked()


def run(data: DataFolder, path: Path, target: Path, asked: Asked) -> dict[str, Any]:
    """Write the model file at `path` to `target`, aside, then renamed. Raises BadModel, BadGraph, Trouble.

    The new file has the model's card and the openings of its test split; a graph, of which Loupe makes no report, has
    not. A `target` that is the model itself is refused: what is exported may say less than the model does.

    Returns `path`, `sha256` and `bytes`; of an ONNX graph `largest_difference` from torch, of any probability on noise,
    and the `tolerance` beyond which it is refused; and with a manifest the `agreement`.
    """
    refuse_itself(target, path)
    full = load_model(path, "cpu") if asked.manifest is not None or asked.form == "onnx" else None
    said: dict[str, Any] = {"path": str(target)}
    if asked.form == "onnx" and full is not None:
        said["largest_difference"] = onnx_export.export(full, target)
        said["tolerance"] = onnx_export.TOLERANCE
    else:
        with made_from(path, sha256(path), target):
            _write(path, target, asked.form)
    said |= {"sha256": sha256(target), "bytes": target.stat().st_size}
    if full is not None and asked.manifest is not None:
        said["agreement"] = _agreement(data, full, target, asked.form, asked.manifest)
    return said


def _write(path: Path, target: Path, form: Form) -> None:
    if form == "8 bits":
        content = checkpoint.refuse_state(checkpoint.load(path), path)
        checkpoint.save_rounded(target, {**content, "rounded_to_bits": 8})
    else:
        checkpoint.refuse_state(checkpoint.load_as_stored(path), path)
        with aside(target) as part:
            shutil.copyfile(path, part)


@contextmanager
def made_from(path: Path, digest: str, target: Path) -> Iterator[None]:
    """Around the writing of a model file made from the one at `path`: its test openings and its card go along.

    digest  the SHA-256 of the file at `path`
    raises  CannotCount, BadCard, before anything is written
    """
    card = card_of(path, digest)
    # In the model's own folder the card is the model's, also where the file replaced is a copy of it.
    apart = not target.parent.samefile(path.parent)
    replaced = sha256(target) if apart and target.is_file() else None
    test_set_log.carry(path, target)
    yield
    if card is not None and not cards.carry(card, target, sha256(target), replaced=replaced):
        say(
            f"{target.with_name(cards.FILE)} belongs to something else and is left as it is, so that {target} has no "
            f"card to say that {card.reason}; write it to a folder of its own"
        )


def refuse_itself(target: Path, path: Path) -> None:
    """Raises Trouble where `target` is the file of the model at `path`, by whatever name."""
    if target.exists() and target.samefile(path):
        raise Trouble(f"{target} is the model itself, which is kept as it is; give another file with --out")


def _agreement(data: DataFolder, full: Model, written: Path, form: Form, manifest: Path) -> dict[str, Any]:
    other = load_model(written, "cpu") if form != "onnx" else read_by(full, written)
    pairs = [pair for pair in pairs_of(data, manifest, "all") if pair.split != "test"]
    both: list[Predictions] = [told(predictions_of(model, pairs, data.cache)) for model in (full, other)]
    return agreement(*both)


def read_by(model: Model, graph: Path) -> Model:
    """The model, its scores computed from its graph."""
    return replace(model, reader=OnnxNetwork(model.network, onnx_export.Session(graph)))
