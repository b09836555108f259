"""Corner and edge crops of a card whose pixels lie on the millimetre grid."""

import cv2
import numpy as np

from engine.image.rectify import TRADING, card_size
from engine.preprocessing.crops import corner_and_edge_crops, mirrored_pieces, side_pieces


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


def noise_card(height=900, width=700, seed=0):
    """A picture and a slanted quad in it."""
    rgb = np.random.default_rng(seed).integers(0, 256, (height // 10, width // 10, 3), dtype=np.uint8)
    quad = np.array([(0.1, 0.08), (0.9, 0.1), (0.88, 0.9), (0.12, 0.92)]) * (width, height)
    return cv2.resize(rgb, (width, height), interpolation=cv2.INTER_CUBIC), quad


def test_the_pieces_are_the_crops_turned_outside_up_and_brought_to_one_size():
    rgb, quad = noise_card()
    crops = corner_and_edge_crops(rgb, quad, card_size(quad, picture_size=rgb.shape[:2]))
    pieces = side_pieces(rgb, quad)
    assert (pieces.shape, pieces.dtype) == ((8, 9216, 3), np.uint8)
    turns = [None, cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE] * 2
    shapes = [(96, 96)] * 4 + [(48, 192)] * 4
    for piece, crop, turn, shape in zip(pieces, [*crops.corners, *crops.edges], turns, shapes, strict=True):
        upright = crop if turn is None else cv2.rotate(crop, turn)
        way = cv2.INTER_AREA if upright[..., 0].size > 9216 else cv2.INTER_LINEAR
        np.testing.assert_array_equal(piece.reshape(*shape, 3), cv2.resize(upright, shape[::-1], interpolation=way))


def test_what_lies_outside_the_card_is_above_every_piece():
    rgb = np.full((1000, 800, 3), 200, np.uint8)
    rgb[60:940, 85:715] = 40
    quad = np.array([(85, 60), (715, 60), (715, 940), (85, 940)], np.float64) - 0.5
    pieces = side_pieces(rgb, quad)
    for corner in pieces[:4].reshape(4, 96, 96, 3):
        assert (corner[:7] == 200).all()
        assert (corner[:, :7] == 200).all()
        assert (corner[11:, 11:] == 40).all()
    for edge in pieces[4:].reshape(4, 48, 192, 3):
        assert (edge[:6] == 200).all()
        assert (edge[11:] == 40).all()


def test_mirrored_pieces_are_the_pieces_of_the_mirrored_picture():
    rgb, quad = noise_card(seed=1)
    mirror = quad[[1, 0, 3, 2]] * (-1, 1) + (rgb.shape[1] - 1, 0)
    expected = side_pieces(np.ascontiguousarray(rgb[:, ::-1]), mirror).astype(int)
    ours = mirrored_pieces(side_pieces(rgb, quad)).astype(int)
    assert np.abs(ours - expected).max() <= 12
    assert np.abs(ours - expected).mean() < 0.5
    np.testing.assert_array_equal(mirrored_pieces(mirrored_pieces(side_pieces(rgb, quad))), side_pieces(rgb, quad))


def test_a_small_picture_has_its_pieces_too():
    rgb, quad = noise_card(height=150, width=110)
    assert side_pieces(rgb, quad).std() > 10


def test_a_large_picture_is_cut_at_twenty_pixels_a_millimetre():
    rgb, quad = noise_card(height=3600, width=2700)
    assert corner_and_edge_crops(rgb, quad, TRADING).px_per_mm == 20
