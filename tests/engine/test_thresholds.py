"""Parsing, formatting and evaluating metric conditions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.thresholds import COMPARISONS, METRICS, BadThreshold, MetricCondition, parse_conditions

thresholds = st.builds(
    MetricCondition,
    st.sampled_from(METRICS),
    st.sampled_from(sorted(COMPARISONS)),
    st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.integers(1, 999),
)


@given(thresholds)
def test_a_threshold_is_read_back_as_written(threshold):
    assert MetricCondition.parse(str(threshold)) == threshold


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("qwk>=0.74@27", 0.74, True),
        ("qwk>0.74@27", 0.74, False),
        ("qwk < .4 @ 13", 0.287, True),
        ("qwk<=0.4", 0.41, False),
        ("val_loss<=3.3@27", 3.53, False),
        ("qwk<0.4", None, None),
    ],
)
def test_a_threshold_is_evaluated_as_its_comparison(text, value, holds):
    threshold = MetricCondition.parse(text)
    assert threshold.holds({threshold.metric: value}) is holds


def test_a_failure_rule_may_have_two_thresholds():
    assert parse_conditions("qwk<0.40@13, qwk<0.70@27") == (
        MetricCondition("qwk", "<", 0.4, 13),
        MetricCondition("qwk", "<", 0.7, 27),
    )
    assert parse_conditions(" ") == ()


@pytest.mark.parametrize(
    "text", ["qwk", "qwk=0.4", "qwk<", "qwk<a@3", "qwk<0.4@", "qwk<0.4@1.5", "beauty>1", "qwk<1@0"]
)
def test_an_invalid_threshold_is_refused_with_its_text(text):
    with pytest.raises(BadThreshold, match=r"threshold|epoch") as refusal:
        MetricCondition.parse(text)
    assert repr(text) in str(refusal.value)
