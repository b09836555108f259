"""Checkpoint and model files: written atomically, read as plain tensors and values only."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
import zlib
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
    zipfile.BadZipFile,
    zlib.error,
)


class BadModel(BadInput):
    """An unusable model or checkpoint file; the message names the file and the remedy."""


def save(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values atomically and flush them to disk. Raises DiskFull."""
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
    return _as_floats(load_as_stored(path), path)


def load_own(path: Path) -> dict[str, Any] | None:
    """Load as `load` does; None for a file that Loupe did not write, or of which a part is missing or damaged."""
    try:
        content = load_as_stored(path)
    except BadModel:
        return None
    return _as_floats(content, path)


def _as_floats(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Dequantize the weights. Raises BadModel unless all are finite numbers."""
    if "eight_bits" in content:
        try:
            content["model"] = dequantize_state_dict(content["model"], content.pop("eight_bits"))
        except UNREADABLE as error:
            raise BadModel(f"{path}: its 8-bit weights are damaged; export the model again") from error
    _check_finite(content.get("model"), path)
    return content


def _check_finite(weights: Any, path: Path) -> None:
    """Raise BadModel if a weight is NaN or infinite: every grade of such a model would be meaningless."""
    for name, tensor in weights.items() if isinstance(weights, dict) else ():
        # The sum is NaN or infinite if one of the weights is; ten times faster than looking at each.
        if isinstance(tensor, torch.Tensor) and tensor.is_floating_point() and not tensor.sum().isfinite():
            raise BadModel(
                f"{path}: the weights of {name} are not finite numbers, so it cannot grade; use another model, or "
                "train again at a lower learning rate"
            )


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


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """Load a state dict that ships with the program. Raises BadModel if the file is damaged."""
    try:
        weights = None if _failed_checksum(path) else torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise BadModel(f"{path}: cannot be read, so no card can be found; install Loupe again") from error
    if weights is None:
        raise BadModel(f"{path}: is damaged, so no card can be found; install Loupe again")
    return weights


def load_as_stored(path: Path) -> dict[str, Any]:
    """Load without dequantizing: saved again, the weights are exactly the same. Raises BadModel."""
    if not path.is_file():
        raise BadModel(f"{path}: there is no such file; give the path of a model.pt")
    try:
        damaged_part = _failed_checksum(path)
        content = None if damaged_part else torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise BadModel(f"{path}: is not a readable model; it may be truncated or not written by Loupe") from error
    if damaged_part:
        raise BadModel(
            f"{path}: is damaged: the checksum of its part {damaged_part} does not match; copy it from its source again"
        )
    if not isinstance(content, dict) or type(content.get("format")) is not int or content["format"] != FORMAT:
        raise BadModel(f"{path}: was not written by this version of Loupe; train or export the model again")
    return content


def _failed_checksum(path: Path) -> str | None:
    """Name of the first part of a torch file whose CRC-32 does not match its bytes; torch itself does not check it."""
    with zipfile.ZipFile(path) as parts:
        return parts.testzip()
