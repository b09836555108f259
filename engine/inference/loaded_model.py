"""A trained model: the network ready to grade, and what its file says of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from engine import config as configuration
from engine.config import Config
from engine.device import resolve
from engine.evaluation.calibration import Calibration
from engine.model.dual_branch import DualBranch
from engine.storage.checkpoint import BadModel, load


@dataclass(frozen=True)
class Model:
    """A trained network ready to grade, and what its file says of it. A model of phase 1 grades by the back alone.

    sides        whether it learned from fronts, and from backs. The encoder of a side that it never learned from still
                 says what it said before training: that side is not looked at.
    reader       what computes the scores where that is faster than the network itself
    calibration  None for a file from before there was one, or one whose held-out cards were too few
    """

    network: DualBranch
    config: Config
    phase: int
    sides: tuple[bool, bool]
    name: str
    trained_on: str
    device: torch.device
    calibration: Calibration | None = None
    reader: nn.Module | None = None

    @property
    def reads(self) -> nn.Module:
        """What computes the scores: without gradients and in eval mode as good as the network."""
        return self.reader or self.network


def load_model(path: Path, device: str = "auto") -> Model:
    """Read a model file that a run has written. Raises BadModel."""
    content = load(path)
    chosen = torch.device(resolve(device))  # type: ignore[arg-type]  # checked by resolve
    try:
        config = configuration.build(content["config"])
        network = DualBranch(config)
        network.load_state_dict(content["model"])
        front, back = content["sides"]
        about = content["phase"], (front, back), content["name"], content["trained_on"]
        plain = content.get("calibration")
        calibration = None if plain is None else Calibration.from_plain(plain)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BadModel(f"{path}: does not fit this version of Loupe; give a model.pt, or train it again") from error
    network.eval().to(chosen).to(memory_format=torch.channels_last)
    return Model(network, config, *about, chosen, calibration)
