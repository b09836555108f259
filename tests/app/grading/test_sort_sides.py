"""Front and back of one card, told apart by name, else by look."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from app.grading import sort_sides as module
from app.grading.sample_card import sample_card
from app.grading.sort_sides import sort_sides
from app.settings import UserError


@pytest.mark.parametrize(
    ("front", "back"),
    [
        ("ab_front.jpg", "ab_back.jpg"),
        ("Card-Front.png", "Card-Back.png"),
        ("7a.jpg", "7b.jpg"),
        ("IMG_1.jpg", "IMG_1_back.jpg"),
    ],
)
def test_names_tell_the_sides_apart_in_either_order_without_a_look(tmp_path, front, back):
    """No file exists: a look would fail."""
    paths = tmp_path / "1" / front, tmp_path / "2" / back
    assert sort_sides(paths) == paths
    assert sort_sides(paths[::-1]) == paths


@pytest.mark.parametrize("names", [("IMG_1.jpg", "IMG_2.jpg"), ("image.jpg", "image.jpg")])
def test_pictures_without_a_side_in_their_names_are_told_apart_by_the_design_of_the_back(tmp_path, monkeypatch, names):
    first, second = tmp_path / "1" / names[0], tmp_path / "2" / names[1]
    for backs, expected in (({first}, (second, first)), ({second}, (first, second)), (set(), (first, second))):
        monkeypatch.setattr(module, "is_known_back", lambda path, backs=backs: path in backs)
        assert sort_sides([first, second], lambda path: SimpleNamespace(thumbnail=path)) == expected


def test_three_pictures_are_refused(tmp_path):
    with pytest.raises(UserError, match="3 pictures were given; give two"):
        sort_sides([tmp_path / f"{number}.jpg" for number in range(3)])


def test_the_sample_card_is_drawn_once_and_is_the_same_each_time(tmp_path):
    first = [path.read_bytes() for path in sample_card(tmp_path / "one")]
    before = [path.stat().st_mtime_ns for path in sample_card(tmp_path / "one")]
    assert [path.stat().st_mtime_ns for path in sample_card(tmp_path / "one")] == before
    assert [path.read_bytes() for path in sample_card(tmp_path / "two")] == first
    assert first[0] != first[1]
