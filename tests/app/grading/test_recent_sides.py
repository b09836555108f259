"""The sides found last: each picture is searched once, also when two ask at once, and few are kept."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

import app.grading.recent_sides as module
from app.grading.picture_advice import picture_advice
from app.grading.recent_sides import RecentSides
from engine.detection.find_card import find_card
from engine.image.read import BadPicture
from engine.inference.card_side import find_side, open_sides
from tests.card_factory import card_picture


@pytest.fixture
def searched(monkeypatch) -> list[str]:
    """The names of the pictures that are searched for their card, in order."""
    names: list[str] = []

    def find(path):
        names.append(path.name)
        return find_side(path)

    monkeypatch.setattr(module, "find_side", find)
    return names


@pytest.fixture
def pictures(tmp_path):
    paths = [tmp_path / f"{side}.png" for side in ("front", "back")]
    for path in paths:
        Image.fromarray(card_picture(8, 3, path.stem)).save(path)
    return paths


def test_advice_and_grading_search_each_picture_once_also_at_the_same_time(pictures, searched):
    recent = RecentSides()
    with ThreadPoolExecutor(2) as pool:
        advice = pool.submit(picture_advice, pictures[0], recent.find)
        sides = pool.submit(open_sides, *pictures, find=recent.find).result()
    assert advice.result() == picture_advice(pictures[0])
    assert sorted(searched) == ["back.png", "front.png"]
    expected = find_side(pictures[0])
    assert sides["front"].sha256 == expected.sha256
    np.testing.assert_array_equal(sides["front"].detection.quad, expected.detection.quad)


def test_a_picture_that_was_changed_is_searched_again(pictures, searched):
    recent = RecentSides()
    before = recent.find(pictures[0]).sha256
    pictures[0].write_bytes(pictures[1].read_bytes())
    assert recent.find(pictures[0]).sha256 != before
    assert searched == ["front.png", "front.png"]


def test_the_hash_of_a_side_is_that_of_the_bytes_that_were_decoded(pictures, monkeypatch):
    """A file that is replaced while its card is searched."""
    before = hashlib.sha256(pictures[0].read_bytes()).hexdigest()

    def replace_and_find(rgb):
        pictures[0].write_bytes(pictures[1].read_bytes())
        return find_card(rgb)

    monkeypatch.setattr("engine.detection.read_and_find.find_card", replace_and_find)
    assert find_side(pictures[0]).sha256 == before


def test_a_picture_that_cannot_be_used_is_refused_each_time(tmp_path):
    (tmp_path / "note.jpg").write_text("no picture")
    recent = RecentSides()
    for _ in range(2):
        with pytest.raises(BadPicture, match=r"note\.jpg"):
            recent.find(tmp_path / "note.jpg")
    assert len(recent._sides) == 0


@pytest.mark.parametrize("limit", [{"max_sides": 1}, {"max_bytes": card_picture(8, 3, "front").nbytes}])
def test_few_sides_are_kept_the_latest_ones(pictures, searched, limit):
    recent = RecentSides(**limit)
    for path in (*pictures, pictures[1], pictures[0]):
        recent.find(path)
    assert searched == ["front.png", "back.png", "front.png"]
