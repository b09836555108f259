"""The rim mask against an oversampled card, and CBAM against its definition."""

import cv2
import numpy as np
import pytest
import torch

from engine.model.attention import CBAM, rim_mask

CARD_WIDTH = 63 / 88
FINE = 2000


def oversampled_rim(cells):
    """The mask of a square map, by counting sample points; NaN where a cell is too close to a tenth to call.

    Every cell is cut into FINE parts along an axis; a part belongs to the band, or to the card, by its middle.
    """
    middles = (np.arange(cells * FINE) + 0.5) / (cells * FINE)

    def share(span):
        start = (1 - span) / 2
        depth = np.minimum(middles - start, 1 - start - middles)
        ends = [(depth >= 0) & (depth < 0.07 * span) & half for half in (middles < 0.5, middles >= 0.5)]
        return [part.reshape(cells, FINE).mean(axis=1) for part in (*ends, depth >= 0)]

    def called(parts):
        return np.where(np.abs(parts - 0.1) < 2 / FINE, np.nan, parts > 0.1)

    top, bottom, tall = map(called, share(1.0))
    left, right, wide = map(called, share(CARD_WIDTH))
    horizontal = either(top, bottom)[:, None] * wide[None, :]
    vertical = either(left, right)[None, :] * tall[:, None]
    return either(horizontal, vertical)


def either(one, other):
    """Or, where NaN is "not called": certain as soon as one side is 1."""
    return np.where((one == 1) | (other == 1), 1.0, one + other)


@pytest.mark.parametrize("cells", range(1, 65))
def test_the_rim_is_where_an_oversampled_card_has_its_outer_seven_percent(cells):
    mask, expected = rim_mask(cells, cells)[0, 0].numpy(), oversampled_rim(cells)
    sure = ~np.isnan(expected)
    assert sure.mean() > 0.7
    np.testing.assert_array_equal(mask[sure], expected[sure])


@pytest.mark.parametrize("cells", range(2, 33))
def test_the_rim_holds_every_cell_that_a_drawn_rim_fills_and_none_that_it_leaves_out(cells):
    fine = 88 * cells
    width, left = 63 * cells, (88 - 63) * cells / 2
    drawn = np.zeros((fine, fine), np.float32)
    # The card, less all but its outer seven percent; corners in sixteenths of a pixel, rectangles by their pixel edges.
    for value, inset in ((1.0, 0.0), (0.0, 0.07)):
        x, y = left + inset * width, inset * fine
        corners = np.array([(x, y), (fine - x, y), (fine - x, fine - y), (x, fine - y)]) - 0.5
        cv2.fillConvexPoly(drawn, np.round(corners * 16).astype(np.int32), value, cv2.LINE_AA, 4)
    share = cv2.resize(drawn, (cells, cells), interpolation=cv2.INTER_AREA)
    mask = rim_mask(cells, cells)[0, 0].numpy()
    # A cell that both bands cover by less than a tenth along their axes is filled by less than .19.
    assert (mask[share > 0.2] == 1).all()
    assert (mask[share < 0.01] == 0).all()
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


def test_cbam_gates_by_channel_then_by_place():
    torch.manual_seed(0)
    cbam, x = CBAM(32), torch.randn(2, 32, 7, 7)
    channel, spatial = (part.gate for part in cbam)
    with torch.no_grad():
        squeezed = x.mean((2, 3)), x.flatten(2).max(2).values
        into, out_of = channel[0].weight[:, :, 0, 0], channel[2].weight[:, :, 0, 0]
        gated = x * torch.sigmoid(sum((s @ into.T).relu() @ out_of.T for s in squeezed))[:, :, None, None]
        seen = torch.stack([gated.mean(1), gated.max(1).values, rim_mask(7, 7)[0].expand(2, 7, 7)], dim=1)
        expected = gated * torch.sigmoid(torch.nn.functional.conv2d(seen, spatial.weight, padding=3))
        torch.testing.assert_close(cbam(x), expected)
