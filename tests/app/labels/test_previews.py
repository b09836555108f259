"""A card's picture is made for the screen once, however many ask for it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

import app.labels.previews
from app.labels.previews import shown
from db.schema import Picture


@pytest.fixture
def asked_for(picture):
    """A picture of the database, as far as it matters here."""
    return Picture(path=str(picture("front.png")), sha256="a" * 64)


def test_two_who_ask_at_the_same_moment_get_the_one_picture(asked_for, own_home, monkeypatch):
    both_read, reads = threading.Barrier(2), []

    def read_with_the_other(path):
        reads.append(path)
        with suppress(threading.BrokenBarrierError):  # the other waits for this one, as it should
            both_read.wait(timeout=0.5)
        return read_picture(path)

    read_picture = app.labels.previews.read_picture
    monkeypatch.setattr("app.labels.previews.read_picture", read_with_the_other)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: shown(asked_for, own_home.data), range(2)))
    assert answers[0] == answers[1]
    path, trouble = answers[0]
    assert trouble == ""
    assert len(reads) == 1
    with Image.open(path) as made, Image.open(asked_for.path) as original:
        assert made.size == original.size
    assert list(Path(path).parent.iterdir()) == [Path(path)]


def test_a_picture_that_cannot_be_read_is_said_and_holds_up_no_other(asked_for, own_home, picture):
    Path(asked_for.path).unlink()
    path, trouble = shown(asked_for, own_home.data)
    assert path is None
    assert "front.png" in trouble
    other = Picture(path=str(picture("other.png", seed=1)), sha256="b" * 64)
    assert Path(shown(other, own_home.data)[0]).is_file()
