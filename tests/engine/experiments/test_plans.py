"""Verdicts of experiment plans, which depend on the plan and the epochs only."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import EpochDone
from engine.experiments.plans import (
    ExperimentPlan,
    judge,
    read_epochs,
    read_plan,
    record_epoch,
    write_plan,
    write_verdict,
)
from engine.thresholds import parse_conditions
from tests.engine.test_thresholds import thresholds

SMOOTHING = ExperimentPlan(
    parent="baseline",
    changes={"label_smoothing": (0.0, 0.1)},
    hypothesis="over-confidence falls",
    expect=parse_conditions("qwk>=0.5@13,qwk>=0.74@27,val_loss<=3.3@27"),
    fail=parse_conditions("qwk<0.40@13,qwk<0.70@27"),
)


def metrics_of(**by_epoch):
    return {int(name[1:]): dict(zip(("qwk", "val_loss"), pair, strict=True)) for name, pair in by_epoch.items()}


@pytest.mark.parametrize(
    ("epochs", "outcome"),
    [
        (metrics_of(e13=(0.52, 4.0), e27=(0.75, 3.2)), "as expected"),
        (metrics_of(e13=(0.52, 4.0), e27=(0.75, 3.4)), "not as expected"),
        (metrics_of(e13=(0.45, 4.0)), "not as expected"),
        (metrics_of(e13=(0.287, 4.0)), "failed"),
        (metrics_of(e13=(0.52, 4.0), e27=(0.69, 3.2)), "failed"),
        (metrics_of(e13=(0.52, 4.0)), "open"),
        ({}, "open"),
    ],
)
def test_a_plan_s_verdict_follows_from_its_thresholds_and_the_epochs(epochs, outcome):
    assert judge(SMOOTHING, epochs, None).outcome == outcome


def test_a_threshold_without_an_epoch_applies_to_the_saved_model():
    plan = ExperimentPlan(expect=parse_conditions("qwk>0.7"))
    assert judge(plan, metrics_of(e1=(0.9, 1.0)), None).outcome == "open"
    assert judge(plan, metrics_of(e1=(0.9, 1.0)), {"qwk": 0.71}).outcome == "as expected"
    assert judge(ExperimentPlan(), {}, {"qwk": 0.71}).outcome == "no criteria"
    assert judge(ExperimentPlan(fail=parse_conditions("qwk<0.7")), {}, {"qwk": 0.71}).outcome == "not failed"


@given(
    st.builds(
        ExperimentPlan,
        parent=st.text(),
        changes=st.dictionaries(st.text(), st.tuples(st.floats(allow_nan=False), st.text())),
        bundle=st.text(),
        hypothesis=st.text(),
        expect=st.lists(thresholds).map(tuple),
        fail=st.lists(thresholds).map(tuple),
    )
)
def test_a_plan_survives_json(plan):
    assert ExperimentPlan.model_validate(json.loads(json.dumps(plan.model_dump(mode="json")))) == plan


def epoch_done(epoch, qwk):
    return EpochDone(epoch, 2, 1.0, 2.0, 1e-3, {"qwk": qwk, "confusion": [[1]]}, {}, 1.0, 1.0, 0.0)


def test_the_verdict_uses_the_last_record_of_each_epoch_and_the_plan_is_fixed(tmp_path):
    write_plan(tmp_path, ExperimentPlan(parent="of a run that was refused before it began"))
    write_plan(tmp_path, SMOOTHING)
    (tmp_path / "config.json").touch()
    write_plan(tmp_path, ExperimentPlan(parent="said afterwards"))
    assert read_plan(tmp_path) == SMOOTHING
    record_epoch(tmp_path, epoch_done(13, 0.1))
    with (tmp_path / "epochs.jsonl").open("a") as file:
        file.write('\n{"epoch": 13, "qw')
    record_epoch(tmp_path, epoch_done(13, 0.6))
    record_epoch(tmp_path, epoch_done(27, 0.8))
    assert {epoch: metrics["qwk"] for epoch, metrics in read_epochs(tmp_path).items()} == {13: 0.6, 27: 0.8}
    assert json.loads((tmp_path / "ledger.json").read_text())["verdict"]["word"] == "as expected"
    verdict = write_verdict(tmp_path, {"qwk": 0.8})["verdict"]
    assert verdict["word"] == "as expected"
    assert verdict["fail"][0] == {"threshold": "qwk<0.4@13", "value": 0.6, "holds": False}
    assert read_plan(tmp_path) == SMOOTHING
    assert json.loads((tmp_path / "ledger.json").read_text())["verdict"] == verdict


def test_a_plan_written_by_an_earlier_version_has_current_names():
    values = ExperimentPlan(changes={"dropout": (0.1, 0.2)}).model_dump(mode="json")
    values["changes"]["seen"] = ["card", "label"]
    assert ExperimentPlan.model_validate(values).changes == {"dropout": (0.1, 0.2), "input_region": ("card", "label")}


def test_a_run_without_a_plan_has_no_verdict(tmp_path):
    assert read_plan(tmp_path) is None
    assert write_verdict(tmp_path, {"qwk": 0.8}) == {}
