"""The region branch: gated attention against its formula, and missing sides."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine.config import Config
from engine.measure.side.features import FEATURE_NAMES
from engine.model.dual_branch import DualBranch
from engine.model.region_branch import RegionBranch

SMALL = {"front_encoder": "mobilenet_v2", "back_encoder": "mobilenet_v2", "image_size": 64}
PRESENT = torch.tensor([(True, True), (False, True), (True, False), (False, False)])


def region_branch():
    torch.manual_seed(0)
    branch = RegionBranch().eval()
    with torch.no_grad():
        branch.place.normal_()
        branch.missing.normal_()
    return branch


def region_crops(seed=0, cards=4):
    return torch.rand(cards, 2, 8, 3, 9216, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_attention_sums_to_one_over_the_crops_of_present_sides_and_is_zero_elsewhere():
    model = region_branch()
    weights = model.attention(model.features(region_crops(), PRESENT), PRESENT)
    assert weights.shape == (4, 2, 8)
    np.testing.assert_allclose(weights.sum((1, 2)), [1, 1, 1, 0], atol=1e-6)
    assert (weights[PRESENT] > 0).all()
    assert not weights[~PRESENT].any()


@torch.no_grad()
def test_attention_and_pooling_follow_ilse_s_formula():
    model = region_branch()
    features = model.features(region_crops(), PRESENT)
    pooled = model(region_crops(), PRESENT).numpy()
    for card, mask in enumerate(PRESENT[:3]):
        h = features[card][mask].reshape(-1, 64).numpy().astype(np.float64)
        v, u = (layer.weight.numpy() for layer in (model.content, model.gate))
        gated = np.tanh(h @ v.T + model.content.bias.numpy()) / (1 + np.exp(-(h @ u.T + model.gate.bias.numpy())))
        scores = np.exp(gated @ model.weigh.weight[0].numpy())
        np.testing.assert_allclose(pooled[card], (scores[:, None] * h).sum(0) / scores.sum(), rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(pooled[3], model.missing.numpy())


@torch.no_grad()
def test_each_crop_is_encoded_separately_in_its_shape_plus_a_position_embedding():
    model, crops = region_branch(), region_crops()

    def by_torch(piece):
        for stage in model.stages:
            norm = stage.norm
            maps = F.conv2d(piece, stage.convolution.weight, stride=2, padding=1)
            piece = F.batch_norm(maps, norm.running_mean, norm.running_var, norm.weight, norm.bias).relu()
        return F.adaptive_max_pool2d(piece, 1)[0, :, 0, 0]

    features = model.features(crops, PRESENT)
    corner, edge = crops[0, 1, 2].reshape(1, 3, 96, 96), crops[2, 0, 7].reshape(1, 3, 48, 192)
    torch.testing.assert_close(features[0, 1, 2], by_torch(corner) + model.place[1, 2], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(features[2, 0, 7], by_torch(edge) + model.place[0, 7], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_the_batch_statistics_are_those_of_corners_and_edges_together():
    model, crops = region_branch().train(), region_crops()
    model.features(crops, PRESENT)
    first, present_crops = model.stages[0], crops[PRESENT]
    shapes = ((present_crops[:, :4], (96, 96)), (present_crops[:, 4:], (48, 192)))
    maps = [
        F.conv2d(part.reshape(-1, 3, *shape), first.convolution.weight, stride=2, padding=1) for part, shape in shapes
    ]
    together = torch.cat([map_.transpose(0, 1).flatten(1) for map_ in maps], dim=1)
    torch.testing.assert_close(first.norm.running_mean, 0.1 * together.mean(1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(first.norm.running_var, 0.9 + 0.1 * together.var(1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_a_missing_side_changes_nothing_through_its_regions(training):
    outcomes = []
    for filler in (0.0, 0.7, float("nan")):
        model, crops = region_branch().train(training), region_crops()
        crops[1, 0], crops[2, 1], crops[3] = filler, filler, filler
        pooled = model(crops, PRESENT)
        pooled.square().sum().backward()
        outcomes.append([pooled, *(parameter.grad for parameter in model.parameters())])
    for outcome in outcomes[1:]:
        assert all(torch.equal(expected, actual) for expected, actual in zip(outcomes[0], outcome, strict=True))


def test_no_card_at_all_and_cards_without_sides_are_legal():
    assert region_branch()(region_crops(cards=0), PRESENT[:0]).shape == (0, 64)
    pooled = region_branch()(region_crops(cards=2), torch.zeros(2, 2, dtype=torch.bool))
    pooled.sum().backward()
    assert pooled.isfinite().all()


def network(**settings):
    torch.manual_seed(0)
    return DualBranch(Config(**{**SMALL, "dropout": 0.0, **settings})).eval()


@pytest.mark.parametrize(
    "encoders",
    [{}, {"front_encoder": "efficientnet_lite0", "back_encoder": "efficientnet_lite2"}],
    ids=["mobilenet_v2", "efficientnet_lite"],
)
@torch.no_grad()
def test_the_network_uses_the_regions_of_the_sides_that_are_present(encoders):
    model, crops = network(regions=True, **encoders), region_crops()
    channels = torch.rand(2, 4, 6, 64, 64)
    before = model(*channels, PRESENT, crops).grade
    for card, side in PRESENT.nonzero().tolist():
        changed = crops.clone()
        changed[card, side] = torch.rand(8, 3, 9216)
        after = model(*channels, PRESENT, changed).grade
        assert not torch.equal(before[card], after[card])
        rest = [row for row in range(4) if row != card]
        torch.testing.assert_close(before[rest], after[rest])


def test_the_branch_adds_weights_and_changes_no_other_key():
    plain, with_branch = (set(network(regions=regions).state_dict()) for regions in (False, True))
    assert plain < with_branch
    assert all(key.startswith("regions.") for key in with_branch - plain)


def test_bf16_scores_equal_float_scores_up_to_rounding():
    torch.manual_seed(0)
    settings = {**SMALL, "regions": True, "use_measurements": True, "dropout": 0.0}
    network = DualBranch(Config(**settings)).train()
    sides = torch.rand(2, 4, 6, 64, 64)
    measurements = torch.rand(4, 2, 2, len(FEATURE_NAMES))
    full_precision = network(*sides, PRESENT, region_crops(), measurements)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network(*sides, PRESENT, region_crops(), measurements)
    for expected, actual in zip(full_precision, rounded, strict=True):
        np.testing.assert_allclose(actual.float().detach(), expected.detach(), atol=0.05)
    sum(part.float().sum() for part in rounded).backward()
    assert all(part.grad.isfinite().all() for part in network.regions.parameters())
