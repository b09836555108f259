"""Close-ups of a card's corners, against squares drawn at known places."""

import numpy as np

from app.labels.shown_card import GAP_PX, corner_sheet

PX_PER_MM = 10
COLORS = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0)]  # top left, top right, bottom right, bottom left


def test_each_corner_is_shown_in_its_place_with_a_millimeter_around_it():
    picture = np.full((1000, 800, 3), 90, np.uint8)
    left, top = 50, 40
    right, bottom = left + 63 * PX_PER_MM, top + 88 * PX_PER_MM
    reach = 8 * PX_PER_MM
    for (x, y), color in zip(
        ((left, top), (right - reach, top), (right - reach, bottom - reach), (left, bottom - reach)),
        COLORS,
        strict=True,
    ):
        picture[y : y + reach, x : x + reach] = color
    quad = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float) - 0.5
    sheet = corner_sheet(picture, quad)
    size = (sheet.shape[0] - GAP_PX) // 2
    assert abs(size - 9 * PX_PER_MM) <= 1
    far = size + GAP_PX
    tiles = [sheet[y : y + size, x : x + size] for y, x in ((0, 0), (0, far), (far, far), (far, 0))]
    for tile, color in zip(tiles, COLORS, strict=True):
        assert np.abs(tile[size // 2, size // 2].astype(int) - color).max() <= 2
    edge = size // 9 // 2
    assert np.abs(tiles[0][edge, edge].astype(int) - 90).max() <= 2, "the ground around the card"
    assert np.abs(tiles[2][-edge - 1, -edge - 1].astype(int) - 90).max() <= 2
