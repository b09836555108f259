"""Whatever is killed and when: no acknowledged label is lost, no run is stuck."""

import pytest

from app.settings import data_folder
from db.session import Database
from engine.experiments.run_folder import MODEL
from engine.inference.load_model import load_model
from labeling.import_cards import import_cards
from tests.random_kills import kill_at_random


@pytest.fixture
def data(manifest, tmp_path):
    data = data_folder(tmp_path / "data")
    with Database.open(data.database) as database:
        import_cards(database, manifest)
    return data


def check(outcome, kills):
    assert sum(outcome.kills.values()) == kills
    assert outcome.acknowledged > 0
    assert (outcome.lost_labels, outcome.integrity, outcome.processes_left) == ([], "ok", [])


@pytest.mark.slow
def test_no_acknowledged_label_is_lost_in_a_few_kills(data):
    check(kill_at_random(data, kills=4, seed=1, longest_pause_s=1.0, training=False), 4)


@pytest.mark.long
def test_in_fifty_kills_no_acknowledged_label_is_lost_and_no_run_is_stuck(data):
    outcome = kill_at_random(data, kills=50, seed=2, longest_pause_s=6.0, training=True)
    check(outcome, 50)
    assert outcome.kills["run"] >= 10
    assert {run.state for run in outcome.runs} == {"finished"}
    assert all(epochs == [1, 2] for epochs in outcome.epochs.values())
    for run in outcome.runs:
        load_model(data.run_folder(run.id) / MODEL, "cpu")
