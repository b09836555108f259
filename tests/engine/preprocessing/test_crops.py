"""Corner and edge crops of a card whose pixels are aligned with the mm grid."""

import cv2
import numpy as np

from engine.image.rectify import TRADING, card_size
from engine.preprocessing.crops import corner_and_edge_crops, mirror_region_crops, region_crops


def test_crops_are_the_card_s_pixels():
    density, margin = 10, 20
    rgb = np.zeros((880 + 2 * margin, 630 + 2 * margin, 3), np.uint8)
    y, x = np.mgrid[:880, :630]
    rgb[margin:-margin, margin:-margin] = np.stack([x * 255 // 630, y * 255 // 880, x // 2 % 2 + 100], axis=-1)
    quad = np.array([(0, 0), (630, 0), (630, 880), (0, 880)], np.float64) - 0.5 + margin
    crops = corner_and_edge_crops(rgb, quad, TRADING)
    assert crops.px_per_mm == density
    assert [crop.shape[:2] for crop in crops.corners] == [(110, 110)] * 4
    assert [crop.shape[:2] for crop in crops.edges] == [(60, 430), (680, 60), (60, 430), (680, 60)]
    expected = rgb[margin + 780 : margin + 890, margin + 530 : margin + 640].astype(int)
    assert np.abs(crops.corners[2].astype(int) - expected)[:98, :98].max() <= 2
    right = rgb[margin + 100 : margin + 780, margin + 580 : margin + 640].astype(int)
    assert np.abs(crops.edges[1].astype(int) - right)[:, :48].max() <= 2


def noise_card(height=900, width=700, seed=0):
    """Draw a noise picture with a slanted quad."""
    rgb = np.random.default_rng(seed).integers(0, 256, (height // 10, width // 10, 3), dtype=np.uint8)
    quad = np.array([(0.1, 0.08), (0.9, 0.1), (0.88, 0.9), (0.12, 0.92)]) * (width, height)
    return cv2.resize(rgb, (width, height), interpolation=cv2.INTER_CUBIC), quad


def test_region_crops_are_the_crops_rotated_outside_up_and_resized():
    rgb, quad = noise_card()
    crops = corner_and_edge_crops(rgb, quad, card_size(quad, picture_size=rgb.shape[:2]))
    regions = region_crops(rgb, quad)
    assert (regions.shape, regions.dtype) == ((8, 9216, 3), np.uint8)
    turns = [None, cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE] * 2
    shapes = [(96, 96)] * 4 + [(48, 192)] * 4
    for region, crop, turn, shape in zip(regions, [*crops.corners, *crops.edges], turns, shapes, strict=True):
        rotated = crop if turn is None else cv2.rotate(crop, turn)
        method = cv2.INTER_AREA if rotated[..., 0].size > 9216 else cv2.INTER_LINEAR
        np.testing.assert_array_equal(region.reshape(*shape, 3), cv2.resize(rotated, shape[::-1], interpolation=method))


def test_the_outside_of_the_card_is_at_the_top_of_every_region_crop():
    rgb = np.full((1000, 800, 3), 200, np.uint8)
    rgb[60:940, 85:715] = 40
    quad = np.array([(85, 60), (715, 60), (715, 940), (85, 940)], np.float64) - 0.5
    regions = region_crops(rgb, quad)
    for corner in regions[:4].reshape(4, 96, 96, 3):
        assert (corner[:7] == 200).all()
        assert (corner[:, :7] == 200).all()
        assert (corner[11:, 11:] == 40).all()
    for edge in regions[4:].reshape(4, 48, 192, 3):
        assert (edge[:6] == 200).all()
        assert (edge[11:] == 40).all()


def test_mirrored_region_crops_are_those_of_the_mirrored_picture():
    rgb, quad = noise_card(seed=1)
    mirror = quad[[1, 0, 3, 2]] * (-1, 1) + (rgb.shape[1] - 1, 0)
    expected = region_crops(np.ascontiguousarray(rgb[:, ::-1]), mirror).astype(int)
    mirrored = mirror_region_crops(region_crops(rgb, quad)).astype(int)
    assert np.abs(mirrored - expected).max() <= 12
    assert np.abs(mirrored - expected).mean() < 0.5
    np.testing.assert_array_equal(
        mirror_region_crops(mirror_region_crops(region_crops(rgb, quad))), region_crops(rgb, quad)
    )


def test_a_small_picture_has_region_crops_too():
    rgb, quad = noise_card(height=150, width=110)
    assert region_crops(rgb, quad).std() > 10


def test_a_large_picture_is_cut_at_twenty_pixels_a_millimeter():
    rgb, quad = noise_card(height=3600, width=2700)
    assert corner_and_edge_crops(rgb, quad, TRADING).px_per_mm == 20
