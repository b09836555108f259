"""Of a page's gradings only the latest one's updates are shown."""

import threading
import time

import pytest

from app.screens.latest_grading import LatestGrading

NOTHING = {"verdict": "nothing"}
BUSY, FIRST, SECOND = {"verdict": "busy"}, {"verdict": "9", "card": "lines"}, {"verdict": "9 with maps"}


def test_each_update_of_a_grading_has_those_before_it_for_the_page_may_apply_the_last_only():
    updates = list(LatestGrading().begin([BUSY, FIRST, SECOND], NOTHING))
    assert updates == [BUSY, FIRST, {"verdict": "9 with maps", "card": "lines"}]


def test_a_grading_that_was_given_up_yields_no_further_update():
    latest = LatestGrading()
    updates = latest.begin([BUSY, FIRST, SECOND], NOTHING)
    assert next(updates) == BUSY
    latest.number += 1  # as `give_up` does first, in another thread
    assert list(updates) == [NOTHING]


def test_a_grading_given_up_during_its_last_update_ends_with_nothing():
    latest = LatestGrading()
    updates = latest.begin([FIRST], NOTHING)
    assert next(updates) == FIRST
    latest.number += 1
    assert list(updates) == [NOTHING], "else Gradio would send the old answer a second time"


def test_a_newer_grading_takes_the_place_of_an_earlier_one():
    latest = LatestGrading()
    earlier, newer = latest.begin([BUSY, FIRST], NOTHING), latest.begin([BUSY, SECOND], NOTHING)
    assert [next(earlier), next(newer)] == [BUSY, BUSY]
    assert list(earlier) == [NOTHING]
    assert list(newer) == [SECOND]


def test_an_error_counts_only_in_the_latest_grading(capsys):
    def failing():
        yield BUSY
        raise ZeroDivisionError

    latest = LatestGrading()
    updates = latest.begin(failing(), NOTHING)
    next(updates)
    with pytest.raises(ZeroDivisionError):
        next(updates)
    earlier = latest.begin(failing(), NOTHING)
    next(earlier)
    next(latest.begin([BUSY], NOTHING))
    assert list(earlier) == [NOTHING]
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_giving_up_returns_only_after_an_update_under_way_was_delivered():
    latest = LatestGrading()
    updates = latest.begin([BUSY, FIRST], NOTHING)
    next(updates)
    returned = threading.Event()

    def exchange_picture():
        latest.give_up()
        returned.set()

    thread = threading.Thread(target=exchange_picture)
    thread.start()
    time.sleep(0.1)
    assert not returned.is_set()
    assert list(updates) == [NOTHING]  # Gradio asks for the next update once one is on its way
    thread.join(5)
    assert returned.is_set()
