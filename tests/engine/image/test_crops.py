"""Corner and edge crops of a card whose pixels lie on the millimetre grid."""

import numpy as np

from engine.image.crops import corner_and_edge_crops, homography
from engine.image.rectify import TRADING


def test_the_pieces_are_the_card_s_own_pixels():
    density, ground = 10, 20
    rgb = np.zeros((880 + 2 * ground, 630 + 2 * ground, 3), np.uint8)
    y, x = np.mgrid[:880, :630]
    rgb[ground:-ground, ground:-ground] = np.stack([x * 255 // 630, y * 255 // 880, x // 2 % 2 + 100], axis=-1)
    quad = np.array([(0, 0), (630, 0), (630, 880), (0, 880)], np.float64) - 0.5 + ground
    crops = corner_and_edge_crops(rgb, quad, TRADING, outside_mm=1)
    assert crops.px_per_mm == density
    assert [piece.shape[:2] for piece in crops.corners] == [(110, 110)] * 4
    assert [piece.shape[:2] for piece in crops.edges] == [(60, 430), (680, 60), (60, 430), (680, 60)]
    expected = rgb[ground + 780 : ground + 890, ground + 530 : ground + 640].astype(int)
    assert np.abs(crops.corners[2].astype(int) - expected)[:98, :98].max() <= 2
    right = rgb[ground + 100 : ground + 780, ground + 580 : ground + 640].astype(int)
    assert np.abs(crops.edges[1].astype(int) - right)[:, :48].max() <= 2


def test_the_homography_takes_each_point_to_its_own():
    source = np.array([(0, 0), (63, 0), (63, 88), (0, 88)], np.float64)
    target = np.array([(10, 20), (400, 35), (390, 610), (5, 580)], np.float64)
    onto = homography(source, target)
    seen = np.column_stack([source, np.ones(4)]) @ onto.T
    np.testing.assert_allclose(seen[:, :2] / seen[:, 2:], target, atol=1e-9)
