"""The exportable network: equal to the original in eval mode for all combinations of sides."""

import itertools

import pytest
import torch

from engine.data.inputs import Inputs
from engine.inference.load_model import load_model
from engine.model.export_network import to_exportable
from tests.engine.conftest import saved_model

COMBINATIONS = list(itertools.product((True, False), repeat=2))


@pytest.fixture(scope="module", params=[False, True], ids=["sides alone", "with regions"])
def network(request, tmp_path_factory):
    path = saved_model(tmp_path_factory.mktemp("exportable") / "model.pt", regions=request.param)
    network = load_model(path, "cpu").network
    # Make the learned vectors differ from zero and from each other.
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


@pytest.mark.parametrize(
    "present", [COMBINATIONS, COMBINATIONS[:1], COMBINATIONS[1:2], COMBINATIONS[3:], COMBINATIONS * 2]
)
def test_its_outputs_equal_those_of_the_network_whichever_sides_are_missing(network, present):
    inputs = inputs_for(network, present)
    with torch.inference_mode():
        for expected, actual in zip(network(*inputs), to_exportable(network)(*inputs), strict=True):
            torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)


def test_the_channels_of_a_missing_side_have_no_effect(network):
    inputs = inputs_for(network, [(True, False)])
    changed_inputs = inputs._replace(back=torch.full_like(inputs.back, float("nan")))
    with torch.inference_mode():
        for expected, actual in zip(
            to_exportable(network)(*inputs), to_exportable(network)(*changed_inputs), strict=True
        ):
            assert torch.equal(expected, actual)


def test_the_network_itself_stays_as_it_was(network):
    before = [type(part) for part in network.modules()]
    to_exportable(network)
    assert [type(part) for part in network.modules()] == before
