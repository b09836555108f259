"""The synthetic cards of the tests have the documented properties."""

import numpy as np

from engine.detection.find_card import find_card
from engine.image.quality import card_quality
from engine.image.read import read_picture
from labeling.duplicates import MAX_NEAR_BITS, hamming_distances
from labeling.picture_info import load_picture_file
from tests.card_factory import card_picture, card_quad, write_cards


def test_the_detector_finds_the_drawn_card_at_its_position():
    for grade in (1, 5, 10):
        for side in ("front", "back"):
            picture = card_picture(grade, seed=grade, side=side)
            detection = find_card(picture)
            assert not detection.whole_picture
            assert np.abs(detection.quad - card_quad()).max() < 4.0
            # These small pictures have only 4 px/mm; there must be no other quality problem.
            quality = card_quality(picture, detection)
            assert (quality.verdict, len(quality.reasons)) == ("usable", 1)
            assert "too small to show fine wear" in quality.reasons[0]


def test_no_two_fronts_are_detected_as_duplicates(tmp_path):
    write_cards(tmp_path, [1 + number % 10 for number in range(40)])
    hashes = np.array(
        [
            int(load_picture_file(path, recorded_paths={}).content.phash, 16)
            for path in sorted(tmp_path.glob("*_front.png"))
        ],
        np.uint64,
    )
    distances = [int(hamming_distances(value, np.delete(hashes, index)).min()) for index, value in enumerate(hashes)]
    assert min(distances) > MAX_NEAR_BITS


def test_the_lower_the_grade_the_whiter_the_corners(tmp_path):
    white = [
        (card_picture(grade, seed=3, side="front")[25:65, 25:65].min(axis=2) > 230).mean() for grade in range(1, 11)
    ]
    assert (np.diff(white) < 0).all()


def test_equal_arguments_write_equal_bytes(tmp_path):
    for folder in ("one", "two"):
        write_cards(tmp_path / folder, [9, 4])
    names = ["card-000_front.png", "card-001_back.png"]
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in names)
    assert read_picture(tmp_path / "one" / names[0]).shape == (400, 300, 3)
