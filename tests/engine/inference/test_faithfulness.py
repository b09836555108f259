"""The faithfulness of a saliency map, on a network whose grade hangs on one known spot of the front."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engine.data.inputs import Inputs
from engine.inference.faithfulness import RANDOM_DELETIONS, measure_faithfulness
from engine.inference.grad_cam import SaliencyMaps, explain
from engine.inference.load_model import load_model
from tests.engine.conftest import saved_model

ROWS, COLUMNS, CELL = 8, 6, 32
SPOT = (slice(0, 2 * CELL), slice(0, 2 * CELL))


class Side:
    """Encodes the contrast within the spot: (B, C, H, W) -> (B, 1)."""

    def encode(self, channels):
        return channels[:, :1, *SPOT].std(dim=(2, 3))

    def __call__(self, channels, present):
        return self.encode(channels)


class Network:
    """Gives low grades to a front with contrast in the spot; the back does not count."""

    front = back = Side()

    def auxiliary_features(self, present, regions, measured):
        return []

    def fuse_and_score(self, front, back, auxiliary):
        return SimpleNamespace(grade=-10 * front * torch.arange(1.0, 11.0))

    grade = SimpleNamespace(log_probabilities=lambda logits: logits.log_softmax(dim=1))


@pytest.fixture
def inputs():
    random = torch.Generator().manual_seed(0)
    channels = (torch.rand(1, 6, ROWS * CELL, COLUMNS * CELL, generator=random) for _ in range(2))
    return Inputs(*channels, torch.tensor([[True, True]]))


def marked(*spot):
    saliency = np.zeros((ROWS * CELL, COLUMNS * CELL), np.float32)
    saliency[spot] = 1
    return saliency


def test_a_map_of_the_spot_that_counts_is_strong_and_any_other_is_none(inputs):
    model = SimpleNamespace(network=Network())
    elsewhere = (slice(5 * CELL, 7 * CELL), slice(3 * CELL, 5 * CELL))
    # Of 48 cells 7 are hidden: those of the spot, and three more.
    assert measure_faithfulness(model, inputs, SaliencyMaps(marked(*SPOT), marked(*SPOT)))["front"] == "strong"
    assert measure_faithfulness(model, inputs, SaliencyMaps(marked(*elsewhere), None)) == {"front": "none"}
    assert measure_faithfulness(model, inputs, SaliencyMaps(None, marked(*SPOT))) == {"back": "none"}, "no effect"
    assert measure_faithfulness(model, inputs, SaliencyMaps(np.zeros_like(marked()), None)) == {"front": "none"}


def test_maps_without_meaning_are_rarely_rated_strong(inputs):
    model, random = SimpleNamespace(network=Network()), np.random.default_rng(1)
    ratings = []
    for seed in range(40):
        noise = np.kron(random.random((ROWS, COLUMNS)), np.ones((CELL, CELL))).astype(np.float32)
        ratings.append(measure_faithfulness(model, inputs, SaliencyMaps(noise, None), seed)["front"])
    # One in 20 by chance: more than 8 of 40 have a probability below 0.1 %.
    assert ratings.count("strong") <= 8 and ratings.count("none") >= 20
    assert RANDOM_DELETIONS == 19


def test_a_real_network_is_rated_the_same_each_time_and_not_changed(tmp_path):
    model = load_model(saved_model(tmp_path / "model.pt", image_size=64), "cpu")
    random = torch.Generator().manual_seed(0)
    card = Inputs(*(torch.rand(1, 6, 64, 64, generator=random) for _ in range(2)), torch.tensor([[True, True]]))
    maps = explain(model, card)
    first, second = (measure_faithfulness(model, card, maps) for _ in range(2))
    assert first == second and set(first) == {"front", "back"}
    assert all(parameter.grad is None for parameter in model.network.parameters())
