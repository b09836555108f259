"""Attributes computed at their first use."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from engine.cached_attribute import cached_attribute


class Side:
    meeting = Barrier(2, timeout=5)

    def __init__(self, number):
        self.number, self.computed = number, 0

    @cached_attribute
    def measured(self):
        """Ten times the number."""
        self.computed += 1
        self.meeting.wait()  # passes only while the other side is computed too
        return 10 * self.number


def test_two_instances_compute_an_attribute_at_the_same_time_and_each_once():
    sides = [Side(1), Side(2)]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda side: side.measured, sides)) == [10, 20]
    assert [side.measured for side in sides] == [10, 20]
    assert [side.computed for side in sides] == [1, 1]
    assert Side.measured.__doc__ == "Ten times the number."
