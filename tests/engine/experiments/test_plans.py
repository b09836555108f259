"""A verdict follows from what was said before and from the epochs alone."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import EpochDone
from engine.experiments.plans import Plan, epochs_of, judge, note_epoch, plan_of, record, settle
from engine.thresholds import parse_all
from tests.engine.test_thresholds import thresholds

SMOOTHING = Plan(
    parent="baseline",
    changes={"label_smoothing": (0.0, 0.1)},
    hypothesis="over-confidence falls",
    expect=parse_all("qwk>=0.5@13,qwk>=0.74@27,val_loss<=3.3@27"),
    fail=parse_all("qwk<0.40@13,qwk<0.70@27"),
)


def figures(**by_epoch):
    return {int(name[1:]): dict(zip(("qwk", "val_loss"), pair, strict=True)) for name, pair in by_epoch.items()}


@pytest.mark.parametrize(
    ("epochs", "word"),
    [
        (figures(e13=(0.52, 4.0), e27=(0.75, 3.2)), "as expected"),
        (figures(e13=(0.52, 4.0), e27=(0.75, 3.4)), "not as expected"),
        (figures(e13=(0.45, 4.0)), "not as expected"),
        (figures(e13=(0.287, 4.0)), "failed"),
        (figures(e13=(0.52, 4.0), e27=(0.69, 3.2)), "failed"),
        (figures(e13=(0.52, 4.0)), "open"),
        ({}, "open"),
    ],
)
def test_the_history_s_fifth_run_would_have_been_judged_by_its_own_words(epochs, word):
    assert judge(SMOOTHING, epochs, None).word == word


def test_a_threshold_without_an_epoch_asks_the_saved_one():
    plan = Plan(expect=parse_all("qwk>0.7"))
    assert judge(plan, figures(e1=(0.9, 1.0)), None).word == "open"
    assert judge(plan, figures(e1=(0.9, 1.0)), {"qwk": 0.71}).word == "as expected"
    assert judge(Plan(), {}, {"qwk": 0.71}).word == "nothing was expected"
    assert judge(Plan(fail=parse_all("qwk<0.7")), {}, {"qwk": 0.71}).word == "not failed"


@given(
    st.builds(
        Plan,
        st.text(),
        st.dictionaries(st.text(), st.tuples(st.floats(allow_nan=False), st.text())),
        st.text(),
        st.text(),
        st.lists(thresholds).map(tuple),
        st.lists(thresholds).map(tuple),
    )
)
def test_a_plan_comes_back_from_its_file(plan):
    assert Plan.from_json(json.loads(json.dumps(plan.as_json()))) == plan


def told(epoch, qwk):
    return EpochDone(epoch, 2, 1.0, 2.0, 1e-3, {"qwk": qwk, "confusion": [[1]]}, {}, 1.0, 1.0, 0.0)


def test_a_folder_s_plan_is_settled_by_its_epochs_told_last(tmp_path):
    record(tmp_path, Plan(parent="of a run that was refused before it began"))
    record(tmp_path, SMOOTHING)
    (tmp_path / "config.json").touch()
    record(tmp_path, Plan(parent="said afterwards"))
    assert plan_of(tmp_path) == SMOOTHING
    note_epoch(tmp_path, told(13, 0.1))
    with (tmp_path / "epochs.jsonl").open("a") as file:
        file.write('\n{"epoch": 13, "qw')
    note_epoch(tmp_path, told(13, 0.6))
    note_epoch(tmp_path, told(27, 0.8))
    assert {epoch: figures["qwk"] for epoch, figures in epochs_of(tmp_path).items()} == {13: 0.6, 27: 0.8}
    assert json.loads((tmp_path / "ledger.json").read_text())["verdict"]["word"] == "as expected"
    verdict = settle(tmp_path, {"qwk": 0.8})["verdict"]
    assert verdict["word"] == "as expected"
    assert verdict["fail"][0] == {"threshold": "qwk<0.4@13", "value": 0.6, "holds": False}
    assert plan_of(tmp_path) == SMOOTHING
    assert json.loads((tmp_path / "ledger.json").read_text())["verdict"] == verdict


def test_a_run_without_a_plan_has_no_verdict(tmp_path):
    assert plan_of(tmp_path) is None
    assert settle(tmp_path, {"qwk": 0.8}) == {}
