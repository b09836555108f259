"""Checkpoint and model files: written atomically, read as plain tensors and values only."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path
from typing import Any

import torch

from engine.errors import BadInput
from engine.storage.atomic import atomic_write
from engine.storage.quantization import dequantize_state_dict, quantize_state_dict

FORMAT = 1
# Errors that torch.load was observed to raise on damaged, foreign and hostile files.
UNREADABLE = (
    OSError,
    RuntimeError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    pickle.UnpicklingError,
    struct.error,
)


class BadModel(BadInput):
    """An unusable model or checkpoint file; the message names the file and the remedy."""


def save(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values atomically and flush them to disk."""
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        torch.save({"format": FORMAT, **content}, file)
        file.flush()
        os.fsync(file.fileno())


def save_quantized(path: Path, content: dict[str, Any]) -> None:
    """Save with the model's large weights quantized to 8 bits: `load` returns floats, off by at most half a step."""
    unquantized, quantized = quantize_state_dict(content["model"])
    save(path, {**content, "model": unquantized, "eight_bits": quantized})


def load(path: Path) -> dict[str, Any]:
    """Load a file that `save` wrote, on the CPU and with weights_only, so that no code in it is run. Raises BadModel.

    Weights quantized to 8 bits are returned as float32.
    """
    content = load_as_stored(path)
    if "eight_bits" in content:
        try:
            content["model"] = dequantize_state_dict(content["model"], content.pop("eight_bits"))
        except UNREADABLE as error:
            raise BadModel(f"{path}: its 8-bit weights are damaged; export the model again") from error
    return content


def require_model(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return `content` unchanged if it is a model; raises BadModel if it is a checkpoint to resume a run from."""
    if "summary" not in content:
        raise BadModel(f"{path}: is the checkpoint of a run, not a model; give the model.pt in the same folder")
    return content


def is_loupe_checkpoint(path: Path) -> bool:
    """Return True if the file is a complete checkpoint or model written by Loupe."""
    try:
        load_as_stored(path)
    except BadModel:
        return False
    return True


def load_as_stored(path: Path) -> dict[str, Any]:
    """Load without dequantizing: saved again, the weights are exactly the same. Raises BadModel."""
    if not path.is_file():
        raise BadModel(f"{path}: there is no such file; give the path of a model.pt")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise BadModel(f"{path}: is not a readable model; it may be truncated or not written by Loupe") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BadModel(f"{path}: was not written by this version of Loupe; train or export the model again")
    return content
