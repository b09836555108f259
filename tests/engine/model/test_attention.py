"""The rim mask against an oversampled card, and CBAM against its definition."""

import cv2
import numpy as np
import pytest
import torch

from engine.model.attention import CBAM, rim_mask

CARD_WIDTH = 63 / 88
FINE = 2000


def oversampled_rim(cells):
    """Rim mask of a square map by counting sample points; NaN where a cell is too close to a tenth to decide.

    Each cell is divided into FINE parts along an axis; a part is on the band, or on the card, if its middle is.
    """
    middles = (np.arange(cells * FINE) + 0.5) / (cells * FINE)

    def covered_fraction(span):
        start = (1 - span) / 2
        depth = np.minimum(middles - start, 1 - start - middles)
        ends = [(depth >= 0) & (depth < 0.07 * span) & half for half in (middles < 0.5, middles >= 0.5)]
        return [part.reshape(cells, FINE).mean(axis=1) for part in (*ends, depth >= 0)]

    def is_covered(parts):
        return np.where(np.abs(parts - 0.1) < 2 / FINE, np.nan, parts > 0.1)

    top, bottom, tall = map(is_covered, covered_fraction(1.0))
    left, right, wide = map(is_covered, covered_fraction(CARD_WIDTH))
    horizontal = either(top, bottom)[:, None] * wide[None, :]
    vertical = either(left, right)[None, :] * tall[:, None]
    return either(horizontal, vertical)


def either(first, second):
    """Logical or, with NaN for undecided: decided as soon as one operand is 1."""
    return np.where((first == 1) | (second == 1), 1.0, first + second)


@pytest.mark.parametrize("cells", range(1, 65))
def test_the_rim_is_where_an_oversampled_card_has_its_outer_seven_percent(cells):
    mask, expected = rim_mask(cells, cells)[0, 0].numpy(), oversampled_rim(cells)
    sure = ~np.isnan(expected)
    assert sure.mean() > 0.7
    np.testing.assert_array_equal(mask[sure], expected[sure])


@pytest.mark.parametrize("cells", range(2, 33))
def test_the_rim_contains_every_cell_that_a_painted_rim_fills_and_none_that_it_leaves_out(cells):
    fine = 88 * cells
    width, left = 63 * cells, (88 - 63) * cells / 2
    painted = np.zeros((fine, fine), np.float32)
    # The outer seven percent of the card; corners in sixteenths of a pixel, coordinates of pixel edges.
    for value, inset in ((1.0, 0.0), (0.0, 0.07)):
        x, y = left + inset * width, inset * fine
        corners = np.array([(x, y), (fine - x, y), (fine - x, fine - y), (x, fine - y)]) - 0.5
        cv2.fillConvexPoly(painted, np.round(corners * 16).astype(np.int32), value, cv2.LINE_AA, 4)
    fraction = cv2.resize(painted, (cells, cells), interpolation=cv2.INTER_AREA)
    mask = rim_mask(cells, cells)[0, 0].numpy()
    # A cell covered by less than a tenth along both axes is filled by less than .19.
    assert (mask[fraction > 0.2] == 1).all()
    assert (mask[fraction < 0.01] == 0).all()
    assert mask.any()


@pytest.mark.parametrize("cells", range(1, 65))
def test_the_rim_is_its_own_mirror_image(cells):
    mask = rim_mask(cells, cells)[0, 0]
    assert torch.equal(mask, mask.flip(0))
    assert torch.equal(mask, mask.flip(1))


@pytest.mark.parametrize("cells", range(3, 65))
def test_from_three_by_three_on_the_middle_is_free_and_every_side_has_its_rim(cells):
    mask = rim_mask(cells, cells)[0, 0].numpy()
    middle = cells // 2
    assert mask[middle, middle] == 0
    assert mask[:middle, middle].any()
    assert mask[middle + 1 :, middle].any()
    assert mask[middle, :middle].any()
    assert mask[middle, middle + 1 :].any()


def test_cbam_gates_by_channel_then_by_position():
    torch.manual_seed(0)
    cbam, x = CBAM(32), torch.randn(2, 32, 7, 7)
    channel, spatial = (part.gate for part in cbam)
    with torch.no_grad():
        pooled = x.mean((2, 3)), x.flatten(2).max(2).values
        into, out_of = channel[0].weight[:, :, 0, 0], channel[2].weight[:, :, 0, 0]
        gated = x * torch.sigmoid(sum((s @ into.T).relu() @ out_of.T for s in pooled))[:, :, None, None]
        maps = torch.stack([gated.mean(1), gated.max(1).values, rim_mask(7, 7)[0].expand(2, 7, 7)], dim=1)
        expected = gated * torch.sigmoid(torch.nn.functional.conv2d(maps, spatial.weight, padding=3))
        torch.testing.assert_close(cbam(x), expected)
