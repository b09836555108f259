"""Files that hold weights: written aside, then renamed; read back as plain tensors and values only."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path
from typing import Any

import torch

from engine.errors import BadInput
from engine.storage.atomic import aside
from engine.storage.quantization import packed, unpacked

FORMAT = 1
# What torch.load has been seen to raise on damaged, foreign and hostile files.
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
    """A model or checkpoint file that cannot be used; the message names the file and the remedy."""


def save(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values so that `path` is at every moment the old file or the whole new one."""
    with aside(path) as part, part.open("wb") as file:
        torch.save({"format": FORMAT, **content}, file)
        file.flush()
        os.fsync(file.fileno())


def save_rounded(path: Path, content: dict[str, Any]) -> None:
    """As `save`, the model's large weights in 8 bits: `load` gives them back in float, off by half a step at most."""
    kept, eight_bits = packed(content["model"])
    save(path, {**content, "model": kept, "eight_bits": eight_bits})


def load(path: Path) -> dict[str, Any]:
    """Read what `save` wrote, on the CPU, with weights_only: no code in the file is ever run. Raises BadModel.

    Weights that are stored in 8 bits come back as float32.
    """
    content = load_as_stored(path)
    if "eight_bits" in content:
        try:
            content["model"] = unpacked(content["model"], content.pop("eight_bits"))
        except UNREADABLE as error:
            raise BadModel(f"{path}: its weights in 8 bits do not fit together; export the model again") from error
    return content


def refuse_state(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """What a model file holds, as it is; raises BadModel for a run's state, which is saved to go on with."""
    if "summary" not in content:
        raise BadModel(f"{path}: is the state of a run and no model; give the model.pt beside it")
    return content


def is_ours(path: Path) -> bool:
    """Whether Loupe has written the file, and it is whole."""
    try:
        load_as_stored(path)
    except BadModel:
        return False
    return True


def load_as_stored(path: Path) -> dict[str, Any]:
    """As `load`, but what is stored in 8 bits stays so: saved again, the weights are the very same. Raises BadModel."""
    if not path.is_file():
        raise BadModel(f"{path}: there is no such file; give the path of a model.pt that a run has written")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise BadModel(f"{path}: is no readable model; it may be cut short, or not written by Loupe") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BadModel(f"{path}: was not written by this version of Loupe; train or export the model again")
    return content
