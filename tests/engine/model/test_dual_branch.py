"""The dual-branch network: missing sides, fusion weight, attention and normalization."""

from copy import deepcopy
from functools import cache

import pytest
import torch
from torchvision.models import ResNet18_Weights

from engine.config import Config
from engine.model.attention import SpatialAttention
from engine.model.dual_branch import DualBranch
from engine.model.encoders import build_encoder

SMALL = {"front_encoder": "resnet18", "back_encoder": "resnet18", "image_size": 64}


def network(**settings):
    return deepcopy(_network(tuple(settings.items())))


@cache
def _network(settings):
    """Cached: its 22 million random weights are dearer than a copy of them."""
    torch.manual_seed(0)
    return DualBranch(Config(**{**SMALL, "dropout": 0.0, **dict(settings)}))


def pictures(seed, cards=4):
    random = torch.Generator().manual_seed(seed)
    return torch.rand(cards, 6, 64, 64, generator=random), torch.rand(cards, 6, 64, 64, generator=random)


def sides(*flags):
    return torch.tensor(flags, dtype=torch.bool)


SOME_MISSING = sides((1, 1), (0, 1), (1, 0), (1, 1))


@pytest.mark.parametrize(("loss", "columns"), [("ce_emd", 10), ("ordinal", 9)])
def test_the_scores_have_their_shapes_and_ranges(loss, columns):
    scores = network(loss=loss)(*pictures(0), SOME_MISSING)
    assert scores.grade.shape == (4, columns)
    assert scores.edge.shape == (4,)
    assert scores.centering.shape == (4, 2)
    assert ((scores.centering >= 0) & (scores.centering <= 1)).all()


@pytest.mark.parametrize("training", [True, False])
def test_a_missing_side_s_pixels_change_neither_the_result_nor_the_batch_statistics(training):
    outcomes = []
    for filler in (0.0, 0.5, float("nan")):
        model = network().train(training)
        front, back = (picture.clone() for picture in pictures(1))
        front[1], back[2] = filler, filler
        scores = model(front, back, SOME_MISSING)
        scores.grade.sum().backward()
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        outcomes.append([*scores, *model.buffers(), *gradients])
    for outcome in outcomes[1:]:
        assert all(torch.equal(expected, actual) for expected, actual in zip(outcomes[0], outcome, strict=True))


def test_the_batch_statistics_are_those_of_the_present_pictures():
    front, back = pictures(2)
    with_missing, without = network().train(), network().train()
    with_missing(front, back, SOME_MISSING)
    without.front.encoder(front[[0, 2, 3]])
    without.back.encoder(back[[0, 1, 3]])
    for actual, expected in zip(with_missing.buffers(), without.buffers(), strict=True):
        torch.testing.assert_close(actual, expected)


def test_a_card_s_result_does_not_depend_on_the_rest_of_the_batch():
    model = network().eval()
    front, back = pictures(3)
    with torch.no_grad():
        together = model(front, back, SOME_MISSING).grade
        for card in range(4):
            alone = model(front[card : card + 1], back[card : card + 1], SOME_MISSING[card : card + 1]).grade
            torch.testing.assert_close(alone[0], together[card], rtol=1e-4, atol=1e-5)


def test_a_batch_without_any_front_or_any_back_is_legal():
    for present in (sides((0, 1), (0, 1)), sides((1, 0), (1, 0)), sides((0, 0), (0, 0))):
        scores = network().train()(*pictures(4, cards=2), present)
        scores.grade.sum().backward()
        assert scores.grade.isfinite().all()


@pytest.mark.parametrize(("weight", "ignored"), [(1.0, "front"), (0.0, "back")])
def test_a_fusion_weight_at_its_end_ignores_the_other_side(weight, ignored):
    model = network(fusion_weight=weight).eval()
    front, back = pictures(5)
    other_front, other_back = pictures(6)
    both = torch.ones(4, 2, dtype=torch.bool)
    with torch.no_grad():
        scores = model(front, back, both).grade
        changed = model(other_front, back, both).grade, model(front, other_back, both).grade
    assert torch.equal(scores, changed[0]) == (ignored == "front")
    assert torch.equal(scores, changed[1]) == (ignored == "back")


def test_the_fusion_is_the_weighted_concatenation_through_two_layers():
    model = network().eval()
    front, back = torch.randn(3, 512), torch.randn(3, 512)
    first, second = model.fuse[0], model.fuse[3]
    with torch.no_grad():
        hidden = (torch.cat([0.7 * back, 0.3 * front], 1) @ first.weight.T + first.bias).relu()
        fused = (hidden @ second.weight.T + second.bias).relu()
        expected = fused @ model.grade.linear.weight.T + model.grade.linear.bias
        torch.testing.assert_close(model.fuse_and_score(front, back).grade, expected)


@pytest.mark.parametrize(("attention", "gate"), [("cbam_rim", 3), ("cbam", 2), ("none", None)])
def test_the_rim_and_the_attention_can_be_left_out(attention, gate):
    network = DualBranch(Config(back_encoder="resnet18", attention=attention)).eval()
    gates = [module.gate.in_channels for module in network.modules() if isinstance(module, SpatialAttention)]
    assert gates == ([] if gate is None else [gate])
    scores = network(torch.rand(1, 6, 64, 64), torch.rand(1, 6, 64, 64), torch.ones(1, 2, dtype=torch.bool))
    assert torch.isfinite(scores.grade).all()


def test_plain_colors_reach_the_weights_standardised_as_torchvision_standardises_them():
    encoder = build_encoder("resnet18", channels="rgb").eval()
    picture = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    expected = ResNet18_Weights.DEFAULT.transforms(crop_size=64, resize_size=64)(picture)
    torch.testing.assert_close(encoder[0](picture.float() / 255), expected)
