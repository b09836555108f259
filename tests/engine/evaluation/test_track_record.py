"""Track record of predicted against returned grades."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from engine.evaluation.track_record import Comparison, proportion, track_record


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_of_a_proportion_is_scipy_s_wilson_interval(counts):
    expected = binomtest(*counts).proportion_ci(method="wilson")
    share = proportion(*counts)
    assert (share.low, share.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_track_record_counts_what_a_person_would_count():
    cards = [Comparison(9, 8, 10, 9), Comparison(9, 8, 9, 10), Comparison(8, 7, 8, 6), Comparison(10, 9, 10, 10)]
    record = track_record(cards)
    assert (record.exact.count, record.within_one.count, record.ranges_held.count) == (2, 3, 2)
    assert record.exact.value == 0.5
    assert record.mean_error == pytest.approx((0 - 1 + 2 + 0) / 4)


def test_without_returned_cards_nothing_is_claimed():
    record = track_record([])
    assert record.as_json()["exact"] == {"count": 0, "n": 0, "value": None, "low": None, "high": None}
    assert record.mean_error is None
