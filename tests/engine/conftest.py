"""Fixtures of the engine's tests: small drawn cards, a model file, and a run."""

import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from engine.cards.pairs import CardPair
from engine.config import build
from engine.measure.side.features import FEATURE_NAMES
from engine.model.dual_branch import DualBranch
from engine.storage import checkpoint
from tests.engine.training_helpers import EVERYTHING_ON, config, run

# Both variants with the other inputs that differ from the default: region crops and a card-shaped canvas.
EFFICIENTNET_LITE = {
    "front_encoder": "efficientnet_lite0",
    "back_encoder": "efficientnet_lite2",
    "regions": True,
    "image_size": "96x64",
}


def drawn_card(path: Path, seed: int) -> Path:
    """Write a picture of an upright card with a light border and colored art on a dark ground."""
    random = np.random.default_rng(seed)
    picture = np.full((280, 220, 3), 25, np.uint8)
    picture[35:245, 35:185] = (235, 230, 220)
    art = random.integers(0, 256, (7, 5, 3), dtype=np.uint8)
    picture[47:233, 47:173] = cv2.resize(art, (126, 186), interpolation=cv2.INTER_CUBIC)
    assert cv2.imwrite(str(path), picture[:, :, ::-1])
    return path


def drawn_pairs(folder: Path, grades: list[int], split: str, first_seed: int = 0) -> list[CardPair]:
    """Draw a different card with both sides for each grade."""
    return [
        CardPair(
            card_id=f"{split} {index}",
            front=drawn_card(folder / f"{split}_{index}_front.png", first_seed + 2 * index),
            back=drawn_card(folder / f"{split}_{index}_back.png", first_seed + 2 * index + 1),
            grade=grade,
            split=split,
        )
        for index, grade in enumerate(grades)
    ]


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Use one torch thread: on a busy machine, several made these small networks a hundred times slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def cards(tmp_path_factory) -> list[CardPair]:
    """Ten training cards, eight of them with both sides, and four validation cards."""
    folder = tmp_path_factory.mktemp("cards")
    training = drawn_pairs(folder, [1, 3, 4, 6, 7, 8, 9, 10], "train")
    front_only = CardPair("train front", drawn_card(folder / "front.png", 90), None, 9, split="train")
    back_only = CardPair("train back", None, drawn_card(folder / "back.png", 91), 5, split="train")
    return [*training, front_only, back_only, *drawn_pairs(folder, [2, 6, 9, 10], "val", 100)]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    """Folder of prepared pictures, shared by the runs of a test session."""
    return tmp_path_factory.mktemp("prepared")


def saved_model(
    path: Path, *, seed: int = 0, phase: int = 2, sides: tuple[bool, bool] = (True, True), **settings: object
) -> Path:
    """Save a model file as a run does, with random weights and the batch statistics of noise."""
    path.write_bytes(_model_file(seed, phase, sides, tuple(settings.items())))
    return path


@cache
def _model_file(seed: int, phase: int, sides: tuple[bool, bool], settings: tuple[tuple[str, object], ...]) -> bytes:
    """Content of the file; cached, because dozens of tests want the same few models."""
    torch.manual_seed(seed)
    small = {"front_encoder": "mobilenet_v2", "back_encoder": "mobilenet_v2", "image_size": 64, "batch_size": 4}
    config = build({**small, **dict(settings)})
    network = DualBranch(config).train()
    noise = torch.rand(2, 8, 6, *config.canvas_shape)
    regions = torch.rand(8, 2, 8, 3, 9216) if config.regions else None
    measured = torch.rand(8, 2, 2, len(FEATURE_NAMES)) if config.use_measurements else None
    normalizations = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [module.momentum for module in normalizations]
    for module in normalizations:
        module.momentum = 0.4  # one pass counts for as much as five with the default
    with torch.no_grad():
        network(*noise, torch.ones(8, 2, dtype=torch.bool), regions, measured)
    for module, momentum in zip(normalizations, momenta, strict=True):
        module.momentum = momentum
    metadata = {"name": "drawn", "phase": phase, "sides": list(sides), "trained_on": "nothing", "summary": {}}
    content = {**metadata, "config": config.model_dump(), "model": network.state_dict()}
    with TemporaryDirectory() as folder:
        checkpoint.save(Path(folder) / "model.pt", content)
        return (Path(folder) / "model.pt").read_bytes()


@pytest.fixture
def no_fsync(monkeypatch):
    """Skip fsync, for tests that do not simulate a power failure."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="session")
def uninterrupted_run(tmp_path_factory, cards, prepared):
    """Folder and events of an uninterrupted run of twelve steps over both phases."""
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    return folder, run(config(**EVERYTHING_ON), cards, folder, prepared)
