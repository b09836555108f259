"""A preview is made once, however many requests arrive."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

import app.labels.previews
from app.labels.previews import preview_file
from db.schema import Picture
from labeling.picture_files import PictureLocation


@pytest.fixture
def requested(picture):
    """A picture row with the columns that matter here."""
    path = picture("front.png")
    return Picture(path=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def preview_of(picture, data):
    return preview_file(picture, PictureLocation(Path(picture.path)), data)


def test_two_simultaneous_requests_get_the_same_preview(requested, data_home, monkeypatch):
    both_read, reads = threading.Barrier(2), []

    def read_together(path, **options):
        reads.append(path)
        with suppress(threading.BrokenBarrierError):  # the other request waits for this one, as it should
            both_read.wait(timeout=0.5)
        return read_reduced(path, **options)

    read_reduced = app.labels.previews.read_reduced
    monkeypatch.setattr("app.labels.previews.read_reduced", read_together)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: preview_of(requested, data_home.data), range(2)))
    assert answers[0] == answers[1]
    path, error = answers[0]
    assert error == ""
    assert len(reads) == 1
    with Image.open(path) as preview, Image.open(requested.path) as original:
        assert preview.size == original.size
    assert list(Path(path).parent.iterdir()) == [Path(path)]


def test_a_picture_that_cannot_be_read_is_reported_and_blocks_no_other(requested, data_home, picture):
    Path(requested.path).unlink()
    path, error = preview_of(requested, data_home.data)
    assert path is None
    assert "front.png" in error
    other = picture("other.png", seed=1)
    readable = Picture(path=str(other), sha256=hashlib.sha256(other.read_bytes()).hexdigest())
    assert Path(preview_of(readable, data_home.data)[0]).is_file()


def test_another_picture_under_the_recorded_path_is_never_shown(requested, data_home, picture):
    picture("front.png", seed=9)
    path, error = preview_of(requested, data_home.data)
    assert path is None
    assert "front.png: has changed since it was imported" in error
    assert not list(data_home.data.shown.glob("*.jpg"))
