"""Mixup: both sides, region crops and all targets at the same ratio, and never with a missing side."""

import numpy as np
import torch

from engine.data.inputs import Inputs
from engine.data.targets import Targets, smoothed_targets
from engine.training.mixup import mix

CARDS = 32


def batch(present):
    """Cards with constant pictures: card k is k on the front and 100 + k on the back."""
    number = torch.arange(float(CARDS))[:, None, None, None].expand(-1, 6, 4, 4)
    return Inputs(number, 100 + number, present)


def both():
    return torch.ones(CARDS, 2, dtype=torch.bool)


def targets_of_cards():
    """Targets of card k: class k, an edge of k / 100 and a centering of (k / 50, k / 40)."""
    number = torch.arange(float(CARDS))
    return Targets(torch.eye(CARDS), number / 100, torch.stack([number / 50, number / 40], 1))


def mixed(present, seed=0, alpha=0.3):
    inputs, blended = mix(batch(present), targets_of_cards(), alpha, np.random.default_rng(seed))
    return inputs, blended.grade


def test_both_sides_and_the_targets_are_blended_with_the_same_fraction_of_the_same_card():
    inputs, targets = mixed(both())
    shares = np.random.default_rng(0).beta(0.3, 0.3)
    assert set(np.round(targets.diag().numpy(), 5)) <= {np.float32(round(shares, 5)), np.float32(1)}
    expected = targets @ torch.arange(float(CARDS))
    torch.testing.assert_close(inputs.front, expected[:, None, None, None].expand_as(inputs.front))
    torch.testing.assert_close(inputs.back - 100, inputs.front, rtol=0, atol=1e-4)
    torch.testing.assert_close(targets.sum(1), torch.ones(CARDS))
    assert (targets.diag() < 1).sum() > CARDS / 2


def test_cards_with_different_sides_are_never_blended():
    present = torch.tensor([(True, True), (True, False), (False, True), (True, True)]).repeat(CARDS // 4, 1)
    for seed in range(10):
        inputs, targets = mixed(present, seed)
        assert torch.equal(inputs.present, present)
        for card, partner in targets.nonzero().tolist():
            assert torch.equal(present[card], present[partner])


def test_the_mixing_fraction_follows_the_beta_distribution():
    shares = []
    for seed in range(300):
        targets = mixed(both(), seed, alpha=2.0)[1].diag()
        shares.append(float(targets[targets < 1][0]))
    # Beta(2, 2): mean 1/2, variance 1/20.
    assert abs(np.mean(shares) - 0.5) < 0.04
    assert abs(np.var(shares) - 0.05) < 0.012


def test_regions_and_measured_targets_are_blended_with_the_same_fraction_of_the_same_card():
    number = torch.arange(float(CARDS))[:, None, None, None, None].expand(-1, 2, 8, 3, 5)
    inputs, targets = mix(batch(both())._replace(regions=number), targets_of_cards(), 0.3, np.random.default_rng(0))
    expected = targets.grade @ torch.arange(float(CARDS))
    torch.testing.assert_close(inputs.regions[:, 1, 7, 2, 4], expected)
    torch.testing.assert_close(targets.edge, expected / 100)
    torch.testing.assert_close(targets.centering, torch.stack([expected / 50, expected / 40], 1))


def test_a_measurement_missing_on_one_card_is_missing_only_in_its_blends():
    plain = targets_of_cards()
    edge = plain.edge.clone()
    edge[::3] = float("nan")
    present = torch.tensor([(True, True), (True, False)]).repeat(CARDS // 2, 1)
    targets = mix(batch(present), plain._replace(edge=edge), 0.3, np.random.default_rng(1))[1]
    alone = (targets.grade > 0).sum(1) == 1
    assert alone.any()
    blended_of = targets.grade > 0
    for card in range(CARDS):
        assert targets.edge[card].isnan() == edge[blended_of[card]].isnan().any()
    assert not targets.centering.isnan().any()


def test_alpha_zero_changes_nothing_and_draws_no_number():
    inputs, random = batch(both()), np.random.default_rng(0)
    targets = targets_of_cards()._replace(grade=smoothed_targets(torch.arange(CARDS) % 10, 0.1))
    same, same_targets = mix(inputs, targets, 0.0, random)
    assert same is inputs
    assert same_targets is targets
    assert random.random() == np.random.default_rng(0).random()


def test_the_same_generator_gives_the_same_mixture():
    assert torch.equal(mixed(both(), 7)[1], mixed(both(), 7)[1])
    assert not torch.equal(mixed(both(), 7)[1], mixed(both(), 8)[1])
