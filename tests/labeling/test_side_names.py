"""Fronts and backs are paired by every common ending; what may be a back, but need not be, is asked about."""

from pathlib import Path

import pytest

from labeling.discover import cards_at


def listed(root: Path, *names: str):
    """Create empty files; returns card -> (front, back), and the refused names."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    cards = cards_at(root)
    sides = {
        pair.card_id: tuple(path and path.relative_to(root).as_posix() for path in (pair.front, pair.back))
        for pair in cards.pairs
    }
    return sides, {Path(refused.path).name: refused.reason for refused in cards.refused}


@pytest.mark.parametrize(
    ("front", "back"),
    [
        ("x_front.jpg", "x_back.jpg"),
        ("x_a.jpg", "x_b.jpg"),
        ("x-A.jpg", "x-B.jpg"),
        ("x f.jpg", "x b.jpg"),
        ("x (F).jpg", "x (B).jpg"),
        ("x_recto.jpg", "x_verso.png"),
        ("x.recto.jpg", "x.verso.jpg"),
        ("x_obverse.jpg", "x_reverse.jpg"),
        ("x-obv.jpg", "x-rev.jpg"),
        ("xFront.jpg", "xBack.jpg"),
        ("xfront.jpg", "xback.jpg"),
        ("x_frontside.jpg", "x_back side.jpg"),
        ("X_FRONT.JPG", "x_BACK.jpeg"),
        ("fronts/x.jpg", "backs/x.jpg"),
        ("Front/x.jpg", "Back/x.jpg"),
        ("recto/x.jpg", "verso/x.jpg"),
        ("x.jpg", "x_back.jpg"),
        ("x.jpg", "x_verso.jpg"),
    ],
)
def test_the_two_sides_of_a_card_are_paired(tmp_path, front, back):
    sides, refused = listed(tmp_path / "in", front, back)
    assert refused == {}
    assert [card.strip(".").lower() for card in sides] == ["x"]
    assert list(sides.values()) == [(front, back)]


def test_numbers_with_a_letter_are_paired_and_grade_folders_too(tmp_path):
    sides, refused = listed(tmp_path, "psa9/0001a.jpg", "psa9/0001b.jpg", "psa9/fronts/7.jpg", "psa9/backs/7.jpg")
    assert refused == {}
    assert sides == {
        "psa9/0001": ("psa9/0001a.jpg", "psa9/0001b.jpg"),
        "psa9/7": ("psa9/fronts/7.jpg", "psa9/backs/7.jpg"),
    }


def test_a_series_of_letters_and_a_letter_alone_are_cards_of_their_own(tmp_path):
    sides, refused = listed(tmp_path, "x_a.jpg", "x_b.jpg", "x_c.jpg", "y_a.jpg", "z_b.jpg", "charizard_reverse.jpg")
    assert refused == {}
    assert {back for _, back in sides.values()} == {None}
    assert set(sides) == {"x_a", "x_b", "x_c", "y_a", "z_b", "charizard_reverse"}


@pytest.mark.parametrize("name", ["x_b.jpg", "x_reverse.jpg", "xback.jpg", "x rev.jpg"])
def test_a_picture_that_may_be_the_back_of_another_is_asked_about(tmp_path, name):
    sides, refused = listed(tmp_path, "x.jpg", name)
    assert sides == {"x": ("x.jpg", None)}
    assert refused[name].startswith("may be the back of card 'x': if it is, name it x_back.jpg, else name it")


def test_accents_composed_or_decomposed_are_the_same_name(tmp_path):
    composed, decomposed = "Flab\u00e9b\u00e9_front.jpg", "Flabe\u0301be\u0301_back.jpg"
    sides, _ = listed(tmp_path, composed, decomposed)
    assert len(sides) == 1
    assert None not in next(iter(sides.values()))
