"""Standardization: by the cards that have a value, and neutral where none has."""

import torch

from engine.model.measurement_branch import MeasurementBranch, with_missing_mask
from engine.model.standardization import MIN_DEVIATION, Standardized


def test_mean_and_deviation_are_those_of_the_values_that_are_there():
    features = torch.tensor([[1.0, 5.0, float("nan")], [3.0, float("nan"), float("nan")], [8.0, 7.0, float("nan")]])
    module = Standardized(3)
    module.fit_standardization(features)
    torch.testing.assert_close(module.center, torch.tensor([4.0, 6.0, 0.0]))
    deviations = torch.tensor([13.0**0.5 + MIN_DEVIATION, 2.0**0.5 + MIN_DEVIATION, 1.0])
    torch.testing.assert_close(module.scale, deviations)
    module.fit_standardization(features * 2)
    torch.testing.assert_close(module.center, torch.tensor([4.0, 6.0, 0.0]))


def test_one_card_standardizes_nothing():
    module = Standardized(2)
    module.fit_standardization(torch.tensor([[3.0, 4.0]]))
    assert not module.center.any()
    torch.testing.assert_close(module.standardize(torch.tensor([[3.0, 4.0]])), torch.tensor([[3.0, 4.0]]))


def test_a_missing_measurement_stays_0_when_the_others_are_standardized():
    branch = MeasurementBranch()
    features = branch.center.shape[1]
    branch.fit_standardization(torch.rand(20, 2, features, generator=torch.manual_seed(1)) + 5)
    seen = []
    branch.layers.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    measured = torch.full((1, 2, features), 5.5)
    measured[0, 0, 3] = float("nan")
    branch(with_missing_mask(measured, torch.tensor([[True, False]])))
    values, available = seen[0].view(1, 2, 2, features).unbind(dim=2)
    assert values[0, 0, 3] == 0
    assert not values[0, 1].any()
    assert available.sum() == features - 1
    assert values[0, 0, :3].abs().max() < 2
