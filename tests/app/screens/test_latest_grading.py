"""Of a page's gradings only the latest one's updates are shown."""

import threading
import time

import pytest

from app.screens.latest_grading import LatestGrading


def test_a_grading_yields_its_updates_and_ends_with_nothing():
    assert list(LatestGrading().begin(["busy", "grade"], "nothing")) == ["busy", "grade", "nothing"]


def test_a_grading_that_was_given_up_yields_no_further_update():
    latest = LatestGrading()
    updates = latest.begin(["busy", "grade", "maps"], "nothing")
    assert next(updates) == "busy"
    latest.number += 1  # as `give_up` does first, in another thread
    assert list(updates) == ["nothing"]


def test_a_newer_grading_takes_the_place_of_an_earlier_one():
    latest = LatestGrading()
    earlier, newer = latest.begin(["busy", "first"], "nothing"), latest.begin(["busy", "second"], "nothing")
    assert [next(earlier), next(newer)] == ["busy", "busy"]
    assert list(earlier) == ["nothing"]
    assert list(newer) == ["second", "nothing"]


def test_an_error_counts_only_in_the_latest_grading(capsys):
    def failing():
        yield "busy"
        raise ZeroDivisionError

    latest = LatestGrading()
    updates = latest.begin(failing(), "nothing")
    next(updates)
    with pytest.raises(ZeroDivisionError):
        next(updates)
    earlier = latest.begin(failing(), "nothing")
    next(earlier)
    next(latest.begin(["busy"], "nothing"))
    assert list(earlier) == ["nothing"]
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_giving_up_returns_only_after_an_update_under_way_was_delivered():
    latest = LatestGrading()
    updates = latest.begin(["busy", "grade"], "nothing")
    next(updates)
    returned = threading.Event()

    def exchange_picture():
        latest.give_up()
        returned.set()

    thread = threading.Thread(target=exchange_picture)
    thread.start()
    time.sleep(0.1)
    assert not returned.is_set()
    assert list(updates) == ["nothing"]  # Gradio asks for the next update once one is on its way
    thread.join(5)
    assert returned.is_set()
