"""Load a trained model from its file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from engine import config as configuration
from engine.config import CONTROL_CANNOT_GRADE, Config
from engine.device import resolve
from engine.evaluation.calibration import Calibration
from engine.evaluation.domain import Domain
from engine.inference.familiarity import FamiliarPixels
from engine.inference.model_card import ModelCard, read_model_card
from engine.inference.out_of_fold import OutOfFold
from engine.model.dual_branch import DualBranch
from engine.storage.checkpoint import BadModel, load
from engine.storage.file_hash import sha256


@dataclass(frozen=True)
class LoadedModel:
    """A trained network ready for inference, with the metadata of its file. A model of phase 1 uses the back only.

    sides        (front, back): True if the model was trained on that side. The encoder of the other side is untrained,
                 so that side is ignored
    onnx         module that computes the scores with onnxruntime, if that is faster than the network
    calibration  None for a file older than calibration, or if there were too few held-out cards
    out_of_fold  predictions of its training cards by models without them; None if the file has none
    domains      (front, back): the pictures that the model was checked on; None if they were not recorded
    sha256       of the file; empty for a model without one
    card         model card next to the file; only `open_grader` reads it
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
    sha256: str = ""
    card: ModelCard | None = None

    @property
    def identity(self) -> dict[str, str]:
        """Name, SHA-256 and training data, for reports."""
        trained_on = f"{self.card.learned_from}: {self.trained_on}" if self.card else self.trained_on
        return {"name": self.name, "sha256": self.sha256, "trained_on": trained_on}

    @property
    def forward_module(self) -> nn.Module:
        """Module that computes the scores in eval mode, without gradients.

        The network, or onnxruntime in its place; with domains, it hides the pixels of unfamiliar pictures.
        """
        if any(self.domains):
            return FamiliarPixels(self.network, self.domains)
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
        for domain, side in ((front_domain, network.front), (back_domain, network.back)):
            if domain is not None and len(domain.mean) != side.missing.numel():
                raise ValueError("the domain is that of another network")
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise BadModel(f"{path}: does not fit this version of Loupe; give a model.pt, or train it again") from error
    network.eval().to(torch_device).to(memory_format=torch.channels_last)
    domains = (front_domain, back_domain)
    return LoadedModel(network, config, *metadata, torch_device, calibration, domains=domains, out_of_fold=out_of_fold)


def open_model(path: Path) -> LoadedModel:
    """Load a model file with its SHA-256. Raises BadModel.

    The last model stays in memory until its file changes.
    """
    return _open(path, *_version(path))


def open_grader(path: Path) -> LoadedModel:
    """Load a model for grading, with its model card; raises BadModel for a control, which is not trained on cards."""
    model = open_model(path)
    if model.config.input_region != "card":
        raise BadModel(f"{path}: {CONTROL_CANNOT_GRADE.format(model.config.input_region)}")
    return replace(model, card=read_model_card(path, model.sha256))


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, computed again only after the file has changed."""
    return _sha256(path, *_version(path))


def _version(path: Path) -> tuple[int, int]:
    """Time of the last change and size: part of a cache key, so that a changed file is read again."""
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=8)
def _sha256(path: Path, changed_ns: int, size: int) -> str:
    del changed_ns, size
    return sha256(path)


@lru_cache(maxsize=1)
def _open(path: Path, changed_ns: int, size: int) -> LoadedModel:
    return replace(load_model(path), sha256=_sha256(path, changed_ns, size))
