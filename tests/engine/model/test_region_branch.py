"""The region branch: gated attention by its formula, and what a missing side may not do."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine.config import Config
from engine.measure.side.features import FEATURES
from engine.model.dual_branch import DualBranch
from engine.model.region_branch import RegionBranch

SMALL = {"front_encoder": "mobilenet_v2", "back_encoder": "mobilenet_v2", "image_size": 64}
PRESENT = torch.tensor([(True, True), (False, True), (True, False), (False, False)])


def branch():
    torch.manual_seed(0)
    made = RegionBranch().eval()
    with torch.no_grad():
        made.place.normal_()
        made.missing.normal_()
    return made


def pieces(seed=0, cards=4):
    return torch.rand(cards, 2, 8, 3, 9216, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_attention_sums_to_one_over_the_pieces_that_are_there_and_is_nothing_elsewhere():
    own = branch()
    weights = own.attention(own.features(pieces(), PRESENT), PRESENT)
    assert weights.shape == (4, 2, 8)
    np.testing.assert_allclose(weights.sum((1, 2)), [1, 1, 1, 0], atol=1e-6)
    assert (weights[PRESENT] > 0).all()
    assert not weights[~PRESENT].any()


@torch.no_grad()
def test_attention_and_pooling_follow_ilse_s_formula():
    own = branch()
    features = own.features(pieces(), PRESENT)
    told = own(pieces(), PRESENT).numpy()
    for card, there in enumerate(PRESENT[:3]):
        h = features[card][there].reshape(-1, 64).numpy().astype(np.float64)
        v, u = (layer.weight.numpy() for layer in (own.content, own.gate))
        gated = np.tanh(h @ v.T + own.content.bias.numpy()) / (1 + np.exp(-(h @ u.T + own.gate.bias.numpy())))
        said = np.exp(gated @ own.weigh.weight[0].numpy())
        np.testing.assert_allclose(told[card], (said[:, None] * h).sum(0) / said.sum(), rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(told[3], own.missing.numpy())


@torch.no_grad()
def test_each_piece_is_read_by_itself_in_its_own_shape_and_told_its_place():
    own, given = branch(), pieces()

    def by_torch(piece):
        for stage in own.stages:
            norm = stage.norm
            seen = F.conv2d(piece, stage.convolution.weight, stride=2, padding=1)
            piece = F.batch_norm(seen, norm.running_mean, norm.running_var, norm.weight, norm.bias).relu()
        return F.adaptive_max_pool2d(piece, 1)[0, :, 0, 0]

    features = own.features(given, PRESENT)
    corner, edge = given[0, 1, 2].reshape(1, 3, 96, 96), given[2, 0, 7].reshape(1, 3, 48, 192)
    torch.testing.assert_close(features[0, 1, 2], by_torch(corner) + own.place[1, 2], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(features[2, 0, 7], by_torch(edge) + own.place[0, 7], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_the_batch_statistics_are_those_of_corners_and_edges_together():
    own, given = branch().train(), pieces()
    own.features(given, PRESENT)
    first, seen = own.stages[0], given[PRESENT]
    shapes = ((seen[:, :4], (96, 96)), (seen[:, 4:], (48, 192)))
    answers = [
        F.conv2d(part.reshape(-1, 3, *shape), first.convolution.weight, stride=2, padding=1) for part, shape in shapes
    ]
    together = torch.cat([answer.transpose(0, 1).flatten(1) for answer in answers], dim=1)
    torch.testing.assert_close(first.norm.running_mean, 0.1 * together.mean(1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(first.norm.running_var, 0.9 + 0.1 * together.var(1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_a_missing_side_changes_nothing_through_its_regions(training):
    outcomes = []
    for filler in (0.0, 0.7, float("nan")):
        own, given = branch().train(training), pieces()
        given[1, 0], given[2, 1], given[3] = filler, filler, filler
        told = own(given, PRESENT)
        told.square().sum().backward()
        outcomes.append([told, *(parameter.grad for parameter in own.parameters())])
    for other in outcomes[1:]:
        assert all(torch.equal(one, two) for one, two in zip(outcomes[0], other, strict=True))


def test_no_card_at_all_and_cards_without_sides_are_legal():
    assert branch()(pieces(cards=0), PRESENT[:0]).shape == (0, 64)
    told = branch()(pieces(cards=2), torch.zeros(2, 2, dtype=torch.bool))
    told.sum().backward()
    assert told.isfinite().all()


def network(**settings):
    torch.manual_seed(0)
    return DualBranch(Config(**SMALL, dropout=0.0, **settings)).eval()


@torch.no_grad()
def test_the_network_listens_to_the_regions_of_the_sides_that_are_there():
    model, given = network(regions=True), pieces()
    channels = torch.rand(2, 4, 6, 64, 64)
    before = model(*channels, PRESENT, given).grade
    for card, side in PRESENT.nonzero().tolist():
        other = given.clone()
        other[card, side] = torch.rand(8, 3, 9216)
        after = model(*channels, PRESENT, other).grade
        assert not torch.equal(before[card], after[card])
        rest = [row for row in range(4) if row != card]
        torch.testing.assert_close(before[rest], after[rest])


def test_a_network_without_the_branch_has_the_weights_it_always_had():
    plain, reading = (set(network(regions=regions).state_dict()) for regions in (False, True))
    assert plain < reading
    assert all(key.startswith("regions.") for key in reading - plain)


def test_in_bf16_a_card_is_read_as_in_float_but_for_rounding():
    torch.manual_seed(0)
    settings = {**SMALL, "regions": True, "measured_inputs": True, "dropout": 0.0}
    network = DualBranch(Config(**settings)).train()
    sides = torch.rand(2, 4, 6, 64, 64)
    told = torch.rand(4, 2, 2, len(FEATURES))
    whole = network(*sides, PRESENT, pieces(), told)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network(*sides, PRESENT, pieces(), told)
    for full, few in zip(whole, rounded, strict=True):
        np.testing.assert_allclose(few.float().detach(), full.detach(), atol=0.05)
    sum(part.float().sum() for part in rounded).backward()
    assert all(part.grad.isfinite().all() for part in network.regions.parameters())
