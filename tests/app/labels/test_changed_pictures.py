"""A card whose file changed says so, on the page and by command, and a kept card's file is mended."""

import shutil

import numpy as np
from PIL import Image

from app.commands import evaluate, export
from app.labels.keep_card import keep_card
from app.labels.shown_card import shown_cards
from labeling.import_cards import import_cards
from tests.db.row_factory import card_by_name


def view_of(home, name):
    with home.database.reading() as session:
        card = card_by_name(session, name=name)
    return shown_cards(home.database, home.data, [card])[0]


def test_the_card_shows_that_its_file_changed_and_never_the_other_picture(data_home, picture, tmp_path):
    picture("in/a_front.png", seed=1)
    picture("in/a_back.png", seed=2)
    import_cards(data_home.database, tmp_path / "in")
    before = view_of(data_home, "a")
    assert before["problems"] == []
    picture("in/a_front.png", seed=3)
    (tmp_path / "in/a_back.png").unlink()
    for side in ("front", "back"):
        assert before[side]["url"] is not None
    after = view_of(data_home, "a")
    assert "has changed since it was imported" in after["problems"][0]
    assert "is missing" in after["problems"][1]
    assert [after[side] for side in ("front", "back")] == [before[side] for side in ("front", "back")]
    shutil.rmtree(data_home.data.shown)
    assert [view_of(data_home, "a")[side]["url"] for side in ("front", "back")] == [None, None]


def test_a_moved_file_is_shown_from_its_new_place(data_home, picture, tmp_path):
    picture("in/a.png", seed=1)
    import_cards(data_home.database, tmp_path / "in")
    (tmp_path / "in/a.png").rename(tmp_path / "in/b.png")
    view = view_of(data_home, "a")
    assert view["problems"] == []
    assert view["front"]["url"] is not None


def test_evaluation_and_export_name_and_count_what_they_leave_out(data_home, picture, tmp_path, capsys):
    for seed in range(3):
        picture(f"in/psa9/{seed}.png", seed=seed)
    import_cards(data_home.database, tmp_path / "in")
    picture("in/psa9/1.png", seed=8)
    cards = evaluate.load_pairs(data_home.data, None, "all")
    assert [pair.card_id for pair in cards] == ["psa9/0", "psa9/2"]
    assert "1 card is left out, because a picture is missing or has changed" in capsys.readouterr().err
    result = export.run(data_home.data, "labels", None, tmp_path / "labels.csv")
    assert (result["cards"], [card["card_id"] for card in result["left_out"]]) == (2, ["psa9/1"])
    assert "psa9/1: left out: the picture" in capsys.readouterr().err


def test_a_kept_card_whose_file_was_changed_is_kept_again_with_its_own_pixels(data_home, picture):
    upload = picture("upload/card.png", seed=1)
    name = keep_card(data_home.database, data_home.data, upload, None, 9.0).name
    [stored] = data_home.data.pictures.glob("*.png")
    picture("other.png", seed=2).replace(stored)
    assert "has changed" in view_of(data_home, name)["problems"][0]
    assert keep_card(data_home.database, data_home.data, upload, None, 8.0).name == name
    with Image.open(stored) as kept, Image.open(upload) as original:
        assert np.array_equal(np.asarray(kept), np.asarray(original))
    assert view_of(data_home, name)["problems"] == []
