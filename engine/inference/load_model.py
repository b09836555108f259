"""Load a trained model from its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from engine import config as configuration
from engine.config import Config
from engine.device import resolve
from engine.evaluation.calibration import Calibration
from engine.evaluation.domain import Domain
from engine.inference.out_of_fold import OutOfFold
from engine.model.dual_branch import DualBranch
from engine.storage.checkpoint import BadModel, load


@dataclass(frozen=True)
class LoadedModel:
    """A trained network ready for inference, with the metadata of its file. A model of phase 1 uses the back only.

    sides        (front, back): True if the model was trained on that side. The encoder of the other side is untrained,
                 so that side is ignored
    onnx         module that computes the scores with onnxruntime, if that is faster than the network
    calibration  None for a file older than calibration, or if there were too few held-out cards
    out_of_fold  predictions of its training cards by models without them; None if the file has none
    domains      (front, back): the pictures that the model was checked on; None if they were not recorded
    """

    network: DualBranch
    config: Config
    phase: int
    sides: tuple[bool, bool]
    name: str
    trained_on: str
    device: torch.device
    calibration: Calibration | None = None
    onnx: nn.Module | None = None
    domains: tuple[Domain | None, Domain | None] = (None, None)
    out_of_fold: OutOfFold | None = None

    @property
    def forward_module(self) -> nn.Module:
        """Module that computes the scores; equivalent to the network in eval mode, without gradients."""
        return self.onnx or self.network


def load_model(path: Path, device: str = "auto") -> LoadedModel:
    """Load a model file written by a run. Raises BadModel."""
    content = load(path)
    torch_device = torch.device(resolve(device))  # type: ignore[arg-type]  # checked by resolve
    try:
        config = configuration.from_saved(content["config"])
        network = DualBranch(config)
        network.load_state_dict(content["model"])
        front, back = content["sides"]
        metadata = content["phase"], (front, back), content["name"], content["trained_on"]
        calibration_dict = content.get("calibration")
        calibration = None if calibration_dict is None else Calibration.from_dict(calibration_dict)
        saved_predictions = content.get("out_of_fold")
        out_of_fold = None if saved_predictions is None else OutOfFold.from_dict(saved_predictions)
        saved_domains = content.get("domains") or (None, None)
        front_domain, back_domain = (None if saved is None else Domain.from_dict(saved) for saved in saved_domains)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BadModel(f"{path}: does not fit this version of Loupe; give a model.pt, or train it again") from error
    network.eval().to(torch_device).to(memory_format=torch.channels_last)
    domains = (front_domain, back_domain)
    return LoadedModel(network, config, *metadata, torch_device, calibration, domains=domains, out_of_fold=out_of_fold)
