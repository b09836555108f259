"""The network without shapes that depend on the data: in eval mode it says what the network says, side by side."""

import itertools

import pytest
import torch

from engine.data.inputs import Inputs
from engine.inference.loaded_model import load_model
from engine.model.export_network import whole
from tests.engine.conftest import saved_model

EVERY_STATE = list(itertools.product((True, False), repeat=2))


@pytest.fixture(scope="module", params=[False, True], ids=["sides alone", "with regions"])
def network(request, tmp_path_factory):
    path = saved_model(tmp_path_factory.mktemp("whole") / "model.pt", regions=request.param)
    network = load_model(path, "cpu").network
    # So that each of the learned vectors says something of its own.
    for vector in (
        network.front.missing,
        network.back.missing,
        *([network.regions.missing] if network.regions else []),
    ):
        torch.nn.init.normal_(vector)
    return network


def inputs_for(network, present):
    cards = len(present)
    front, back = torch.rand(2, cards, 6, 64, 64, generator=torch.Generator().manual_seed(5))
    regions = torch.rand(cards, 2, 8, 3, 9216) if network.regions else None
    return Inputs(front, back, torch.tensor(present), regions)


@pytest.mark.parametrize("present", [EVERY_STATE, EVERY_STATE[:1], EVERY_STATE[1:2], EVERY_STATE[3:], EVERY_STATE * 2])
def test_it_says_what_the_network_says_whichever_sides_are_missing(network, present):
    inputs = inputs_for(network, present)
    with torch.inference_mode():
        for own, other in zip(network(*inputs), whole(network)(*inputs), strict=True):
            torch.testing.assert_close(other, own, atol=1e-5, rtol=1e-5)


def test_what_stands_in_a_missing_sides_channels_changes_nothing(network):
    inputs = inputs_for(network, [(True, False)])
    other = inputs._replace(back=torch.full_like(inputs.back, float("nan")))
    with torch.inference_mode():
        for own, changed in zip(whole(network)(*inputs), whole(network)(*other), strict=True):
            assert torch.equal(own, changed)


def test_the_network_itself_stays_as_it_was(network):
    before = [type(part) for part in network.modules()]
    whole(network)
    assert [type(part) for part in network.modules()] == before
