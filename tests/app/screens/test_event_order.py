"""Events of one page are handled in the order of their numbers, whichever arrives first.

tests/browser/test_story_in_browser.py tests it with requests that overtake each other.
"""

import threading
import time

from app.screens.event_order import MAX_PAGES, EventOrder


def handled(order: EventOrder, events: list[tuple[str, int]], pause_s: float = 0.05) -> list[tuple[str, int]]:
    """Start a thread per event, in this order; returns the events in the order in which they were handled."""
    done: list[tuple[str, int]] = []

    def handle(page: str, number: int) -> None:
        with order.turn(page, number):
            done.append((page, number))

    threads = [threading.Thread(target=handle, args=event) for event in events]
    for thread in threads:
        thread.start()
        time.sleep(pause_s)
    for thread in threads:
        thread.join(10)
    return done


def test_events_that_arrive_in_any_order_are_handled_by_their_numbers():
    assert handled(EventOrder(), [("a", 3), ("a", 1), ("a", 4), ("a", 2)]) == [("a", number) for number in range(1, 5)]


def test_pages_do_not_wait_for_each_other():
    assert handled(EventOrder(), [("a", 2), ("b", 1), ("a", 1)]) == [("b", 1), ("a", 1), ("a", 2)]


def test_an_event_whose_predecessor_was_lost_goes_ahead():
    order = EventOrder(patience_s=0.2)
    start = time.monotonic()
    assert handled(order, [("a", 3), ("a", 4)]) == [("a", 3), ("a", 4)]
    assert time.monotonic() - start >= 0.2
    assert handled(order, [("a", 5)]) == [("a", 5)]


def test_an_event_whose_handler_fails_lets_the_next_one_go():
    order = EventOrder(patience_s=60)
    try:
        with order.turn("a", 1):
            raise ValueError
    except ValueError:
        assert handled(order, [("a", 2)]) == [("a", 2)]


def test_an_event_without_a_number_does_not_wait_and_idle_pages_are_forgotten():
    order = EventOrder(patience_s=60)
    with order.turn(None, None), order.turn("a", None):
        pass
    for page in range(MAX_PAGES + 5):
        assert handled(order, [(str(page), 1)], pause_s=0) == [(str(page), 1)]
    assert len(order._next) == MAX_PAGES
