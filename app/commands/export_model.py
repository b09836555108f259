"""`export model`: write a model as it is, with 8-bit weights, or as an ONNX graph, and compare it with the original."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from app.commands.evaluate import load_pairs
from app.runs.event_lines import print_events
from app.settings import DataFolder, UserError
from app.terminal import print_message
from engine.evaluation.comparison import agreement
from engine.evaluation.predictions import Predictions
from engine.experiments import test_set_log
from engine.inference import model_card as cards
from engine.inference import onnx_export
from engine.inference.evaluate import predict_cards
from engine.inference.load_model import LoadedModel, load_model
from engine.inference.model_card import read_model_card
from engine.inference.onnx_runtime import OnnxNetwork
from engine.storage import checkpoint
from engine.storage.atomic import atomic_write
from engine.storage.file_hash import sha256

Form = Literal["model", "8 bits", "onnx"]
FILE_NAMES: dict[Form, str] = {"model": "model.pt", "8 bits": "model-8-bits.pt", "onnx": "model.onnx"}


@dataclass(frozen=True)
class ExportOptions:
    """Options of a model export.

    manifest  labelled cards on which the exported model is compared with the original; test cards are left out,
              because only `evaluate` and `calibrate` may use them
    """

    form: Form = "model"
    manifest: Path | None = None


DEFAULT_OPTIONS = ExportOptions()


def run(data: DataFolder, path: Path, target: Path, options: ExportOptions) -> dict[str, Any]:
    """Write the model file at `path` to `target` atomically. Raises BadModel, BadGraph, UserError.

    The model card and the log of test-set uses are copied for the new file, but not for an ONNX graph, which Loupe does
    not report on. The model itself is refused as `target`, because an export may hold less than the model.

    Returns `path`, `sha256` and `bytes`; for an ONNX graph also `largest_difference`, the largest deviation from torch
    of any probability on noise inputs, and its `tolerance`; with a manifest also the `agreement`.
    """
    refuse_overwriting_model(target, path)
    full = load_model(path, "cpu") if options.manifest is not None or options.form == "onnx" else None
    result: dict[str, Any] = {"path": str(target)}
    if options.form == "onnx" and full is not None:
        result["largest_difference"] = onnx_export.export(full, target)
        result["tolerance"] = onnx_export.TOLERANCE
    else:
        with carry_provenance(data, path, sha256(path), target):
            _write(path, target, options.form)
    result |= {"sha256": sha256(target), "bytes": target.stat().st_size}
    if full is not None and options.manifest is not None:
        result["agreement"] = _agreement(data, full, target, options.form, options.manifest)
    return result


def _write(path: Path, target: Path, form: Form) -> None:
    if form == "8 bits":
        content = checkpoint.require_model(checkpoint.load(path), path)
        checkpoint.save_quantized(target, {**content, "rounded_to_bits": 8})
    else:
        checkpoint.require_model(checkpoint.load_as_stored(path), path)
        with atomic_write(target) as temporary:
            shutil.copyfile(path, temporary)


@contextmanager
def carry_provenance(data: DataFolder, path: Path, digest: str, target: Path) -> Iterator[None]:
    """Context for writing a model derived from the one at `path`: copies its test-set log and its model card.

    digest  the SHA-256 of the file at `path`
    raises  BadCard before anything is written, CannotLogTestAccess
    """
    card = read_model_card(path, digest)
    # In the model's folder the card belongs to the model, even if the replaced file is a copy of the model.
    other_folder = not target.parent.samefile(path.parent)
    replaced = sha256(target) if other_folder and target.is_file() else None
    yield
    target_digest = sha256(target)
    test_set_log.copy_log(data.test_openings, path, digest, derived=target, derived_sha256=target_digest)
    if card is not None and not cards.copy_model_card(card, target, target_digest, replaced=replaced):
        print_message(
            f"{target.with_name(cards.FILE_NAME)} belongs to something else and is left as it is, so {target} has no "
            f"model card with the caveat that {card.caveat}; export to an empty folder"
        )


def refuse_overwriting_model(target: Path, path: Path) -> None:
    """Raise UserError if `target` is the model file at `path`, under any name."""
    if target.exists() and target.samefile(path):
        raise UserError(f"{target} is the model itself, which is never overwritten; give another file with --out")


def _agreement(data: DataFolder, full: LoadedModel, path: Path, form: Form, manifest: Path) -> dict[str, Any]:
    exported = load_model(path, "cpu") if form != "onnx" else with_onnx_graph(full, path)
    pairs = [pair for pair in load_pairs(data, manifest, "all") if pair.split != "test"]
    both: list[Predictions] = [print_events(predict_cards(model, pairs, data.cache)) for model in (full, exported)]
    return agreement(*both)


def with_onnx_graph(model: LoadedModel, graph: Path) -> LoadedModel:
    """A copy of the model that computes its scores by the ONNX graph."""
    return replace(model, onnx=OnnxNetwork(model.network, onnx_export.OnnxSession(graph)))
