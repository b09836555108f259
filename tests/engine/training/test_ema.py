"""EMA of the weights, compared with the explicit weighted sum."""

import numpy as np
import torch
from torch import nn

from engine.training.ema import average_weights, set_steps


def averaged(values, decay):
    """Average of a weight that takes these values one after another."""
    network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    network[0].weight.data.fill_(values[0])
    average = average_weights(network, decay)
    for steps, value in enumerate(values[1:]):
        network[0].weight.data.fill_(value)
        network[1].running_mean.fill_(value)
        network[1].num_batches_tracked.fill_(steps + 1)
        average.update_parameters(network)
    return average.module


def test_the_average_is_the_weighted_sum_of_all_earlier_weights():
    values = np.random.default_rng(0).normal(size=30)
    decays = [min(0.7, (1 + step) / (10 + step)) for step in range(29)]
    expected = values[0] * np.prod(decays)
    for step, value in enumerate(values[1:]):
        expected += value * (1 - decays[step]) * np.prod(decays[step + 1 :])
    module = averaged(values, 0.7)
    np.testing.assert_allclose(module[0].weight.item(), expected, rtol=1e-5)
    # The running statistics start at zero.
    without_start = expected - values[0] * np.prod(decays)
    np.testing.assert_allclose(module[1].running_mean.item(), without_start, rtol=1e-4)
    assert module[1].num_batches_tracked.item() == 29


def test_the_average_has_no_gradient_and_does_not_change_the_network():
    network = nn.Linear(2, 2)
    before = network.weight.detach().clone()
    average = average_weights(network, 0.9)
    average.module.weight.data.zero_()
    average.update_parameters(network)
    assert torch.equal(network.weight, before)
    assert not any(parameter.requires_grad for parameter in average.module.parameters())
    assert network.weight.requires_grad


def test_an_average_resumes_from_its_weights_and_the_number_of_steps():
    network = nn.Linear(1, 1, bias=False)
    first, second = average_weights(network, 0.5), average_weights(network, 0.5)
    for step in range(3):
        network.weight.data.fill_(float(step))
        first.update_parameters(network)
    second.module.load_state_dict(first.module.state_dict())
    set_steps(second, 3)
    network.weight.data.fill_(9.0)
    first.update_parameters(network)
    second.update_parameters(network)
    assert torch.equal(first.module.weight, second.module.weight)
