"""Storing an uploaded pair as a card keeps every pixel and drops location and camera metadata."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from app.labels.keep_card import keep_card
from app.settings import UserError
from db import cards, labels
from engine.image.read import BadPicture
from tests.card_factory import card_picture
from tests.db.row_factory import card_by_name

ORIENTATION, GPS, MAKER = 0x0112, 0x8825, 0x010F


@pytest.fixture
def photo(tmp_path):
    """A photo as from a phone: rotated by its EXIF orientation, with a GPS position."""
    path = tmp_path / "upload" / "photo.jpg"
    path.parent.mkdir()
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[MAKER] = "Camera of Somebody"
    exif.get_ifd(GPS).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 36.0)})
    Image.fromarray(card_picture(7, seed=1, side="front")).save(path, exif=exif, quality=90)
    with Image.open(path) as written:
        assert written.getexif().get_ifd(GPS), "the test photo must contain the metadata that is to be dropped"
    return path


def stored(home):
    return sorted(path for path in home.data.pictures.iterdir() if path.suffix == ".png")


def test_the_saved_picture_has_the_upright_pixels_and_no_metadata(data_home, photo):
    keep_card(data_home.database, data_home.data, photo, None, 9.0)
    (path,) = stored(data_home)
    with Image.open(photo) as before, Image.open(path) as after:
        upright = np.asarray(ImageOps.exif_transpose(before))
        assert after.format == "PNG"
        assert np.array_equal(np.asarray(after), upright)
        assert dict(after.getexif()) == {}
        assert set(after.info) == set()
    assert b"Somebody" not in path.read_bytes()


def test_the_same_pictures_again_are_the_same_card_with_another_label(data_home, photo, picture):
    back = picture("upload/back.png", seed=4)
    names = {keep_card(data_home.database, data_home.data, photo, back, grade).name for grade in (9.0, 8.0)}
    with data_home.database.reading() as session:
        assert cards.counts(session).cards == 1
        card = card_by_name(session, name=names.pop())
        events = labels.label_history(session, card_id=card.id)
    assert not names
    assert [(event.grade, event.source) for event in events if event.grade] == [(9.0, "person"), (8.0, "person")]
    assert card.back is not None
    assert len(stored(data_home)) == 2


def test_a_side_that_is_added_later_or_left_out_is_the_same_card_and_no_grade_is_lost(data_home, photo, picture):
    back = picture("upload/back.png", seed=4)
    uploads = [(photo, None, 9.0), (photo, back, 8.0), (None, back, 7.0), (photo, None, 6.0)]
    names = {keep_card(data_home.database, data_home.data, *upload).name for upload in uploads}
    with data_home.database.reading() as session:
        card = card_by_name(session, name=names.pop())
        events = labels.label_history(session, card_id=card.id)
        assert cards.counts(session).cards == 1
    assert not names
    assert [event.grade for event in events if event.grade] == [9.0, 8.0, 7.0, 6.0]


def test_a_card_of_unknown_grade_is_saved_without_a_label(data_home, photo):
    keep_card(data_home.database, data_home.data, photo, None, None)
    with data_home.database.reading() as session:
        assert labels.count_by_grade(session) == {None: 1}


def test_a_back_alone_is_a_card_too(data_home, picture):
    name = keep_card(data_home.database, data_home.data, None, picture("back.png"), 5.0).name
    with data_home.database.reading() as session:
        card = card_by_name(session, name=name)
    assert (card.front, card.back is None) == (None, False)


def test_a_file_that_is_no_picture_is_refused_by_name_and_nothing_is_stored(data_home, tmp_path):
    (tmp_path / "note.jpg").write_text("not a picture", encoding="utf-8")
    with pytest.raises(BadPicture, match=r"note\.jpg"):
        keep_card(data_home.database, data_home.data, tmp_path / "note.jpg", None, 9.0)
    with pytest.raises(UserError, match="at least one picture"):
        keep_card(data_home.database, data_home.data, None, None, 9.0)
    with data_home.database.reading() as session:
        assert cards.counts(session).cards == 0
