"""Mixup: both sides by the same share, and no picture with nothing."""

import numpy as np
import torch

from engine.data import Inputs
from engine.losses import soft_targets
from engine.mixup import mix

CARDS = 32


def batch(present):
    """Cards whose pictures hold one number each: card k has k in front and 100 + k at the back."""
    number = torch.arange(float(CARDS))[:, None, None, None].expand(-1, 6, 4, 4)
    return Inputs(number, 100 + number, present)


def both():
    return torch.ones(CARDS, 2, dtype=torch.bool)


def mixed(present, seed=0, alpha=0.3):
    targets = torch.eye(CARDS)
    inputs, blended = mix(batch(present), targets, alpha, np.random.default_rng(seed))
    return inputs, blended


def test_both_sides_and_the_targets_are_blended_by_the_same_share_with_the_same_card():
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


def test_the_share_follows_the_beta_distribution():
    shares = []
    for seed in range(300):
        targets = mixed(both(), seed, alpha=2.0)[1].diag()
        shares.append(float(targets[targets < 1][0]))
    # Beta(2, 2): mean 1/2, variance 1/20.
    assert abs(np.mean(shares) - 0.5) < 0.04
    assert abs(np.var(shares) - 0.05) < 0.012


def test_alpha_nought_changes_nothing_and_draws_nothing():
    inputs, targets, random = batch(both()), soft_targets(torch.arange(CARDS) % 10, 0.1), np.random.default_rng(0)
    same, same_targets = mix(inputs, targets, 0.0, random)
    assert same is inputs
    assert same_targets is targets
    assert random.random() == np.random.default_rng(0).random()


def test_the_same_generator_gives_the_same_mixture():
    assert torch.equal(mixed(both(), 7)[1], mixed(both(), 7)[1])
    assert not torch.equal(mixed(both(), 7)[1], mixed(both(), 8)[1])
