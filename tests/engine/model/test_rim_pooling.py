"""Pooling by the parts of the card, on maps whose values say where they are."""

import pytest
import torch

from engine.config import BadConfig, build
from engine.model.dual_branch import DualBranch
from engine.model.rim_pooling import PARTS, pool_rim

HEIGHT, WIDTH = 11, 8


def map_with(value, rows, columns):
    features = torch.zeros(1, 1, HEIGHT, WIDTH)
    features[0, 0, rows, columns] = value
    return features


def parts(features):
    """(whole side, mean of edges, worst edge, mean of corners, worst corner) of a map with one channel."""
    return pool_rim(features)[0].tolist()


def test_one_worn_corner_counts_for_the_corners_alone_and_fully_for_the_worst():
    whole, edges, worst_edge, corners, worst_corner = parts(map_with(8.0, slice(8, 11), slice(5, 8)))
    assert whole == pytest.approx(8 * 9 / (HEIGHT * WIDTH))
    assert (edges, worst_edge) == (0, 0)
    assert (corners, worst_corner) == pytest.approx((2, 8))


def test_one_worn_edge_counts_for_the_edges_alone_and_fully_for_the_worst():
    whole, edges, worst_edge, corners, worst_corner = parts(map_with(4.0, slice(3, 8), 0))
    assert whole == pytest.approx(4 * 5 / (HEIGHT * WIDTH))
    assert (edges, worst_edge) == pytest.approx((1, 4))
    assert (corners, worst_corner) == (0, 0)


def test_the_middle_of_the_card_counts_for_the_whole_side_alone():
    whole, *rim = parts(map_with(1.0, slice(3, 8), slice(3, 5)))
    assert whole == pytest.approx(10 / (HEIGHT * WIDTH))
    assert rim == [0, 0, 0, 0]


def test_a_mirrored_or_turned_card_has_the_same_summary():
    features = torch.rand(2, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    assert pool_rim(features).shape == (2, PARTS * 3)
    for axes in ((3,), (2, 3)):
        torch.testing.assert_close(pool_rim(features.flip(axes)), pool_rim(features))


def test_a_network_with_rim_pooling_grades_pairs_and_single_sides():
    settings = {"front_encoder": "efficientnet_lite0", "back_encoder": "efficientnet_lite2", "image_size": "352x256"}
    torch.manual_seed(0)
    network = DualBranch(build({**settings, "pooling": "rim", "feature_stage": "penultimate"})).eval()
    assert network.front.missing.shape == (PARTS * 192,)
    assert network.back.missing.shape == (PARTS * 208,)
    front, back = torch.rand(2, 2, 6, 352, 256)
    with torch.no_grad():
        pair, single = network(front, back, torch.tensor([[True, True], [True, False]])).grade
    assert torch.isfinite(pair).all()
    assert not torch.equal(pair, single)


@pytest.mark.parametrize("size", ["352", "224x352", "256x192"])
def test_rim_pooling_of_a_square_sideways_or_small_input_is_refused(size):
    with pytest.raises(BadConfig, match="pooling = rim requires a card-shaped image_size at least 224 pixels wide"):
        build({"pooling": "rim", "image_size": size})


def test_the_penultimate_stage_of_another_encoder_is_refused():
    lite = {"front_encoder": "efficientnet_lite0"}
    with pytest.raises(
        BadConfig, match="feature_stage = penultimate requires efficientnet_lite encoders, not resnet34"
    ):
        build({**lite, "feature_stage": "penultimate"})
