"""Scores are computed in the background once cards have arrived or a model was promoted, and not in vain again."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import app.labels.background_scores
from app.labels.background_scores import LOW_PRIORITY, BackgroundScores
from db.predictions import add_predictions
from db.schema import CardPrediction
from engine.inference.load_model import file_sha256
from labeling.import_cards import import_cards


class Recorded:
    """Stands for the runs: keeps the words of each process, which ends at once or waits."""

    def __init__(self, code):
        self.words, self.code, self.started = [], code, []

    def start_process(self, words, log_file):
        self.words.append(list(words))
        self.started.append(subprocess.Popen([sys.executable, "-c", self.code], start_new_session=True))
        return self.started[-1]


@pytest.fixture
def scores(data_home, picture, tmp_path, monkeypatch):
    """Scores of a folder with one card and a model, and a clock to set."""
    picture("in/a.png", seed=1)
    import_cards(data_home.database, tmp_path / "in")
    model = tmp_path / "model.pt"
    model.write_bytes(b"a model")
    clock = {"s": 100.0}
    monkeypatch.setattr("app.models.model_registry.model_path", lambda name, data: model)
    monkeypatch.setattr(app.labels.background_scores.time, "monotonic", lambda: clock["s"])

    def build(code):
        jobs = Recorded(code)
        return BackgroundScores(data_home.database, data_home.data, jobs), jobs, clock, model

    return build


def test_cards_are_scored_when_none_has_arrived_for_a_while_and_not_again_in_vain(scores, data_home):
    background, jobs, clock, model = scores("pass")
    background.reconcile()
    assert jobs.words == [], "more cards may follow"
    clock["s"] += 60
    background.reconcile()
    assert jobs.words[0][:3] == ["queue", "--by", "suspect"]
    jobs.started[0].wait()
    background.reconcile()
    assert len(jobs.words) == 1, "the process ended without a score"
    model.write_bytes(b"another model")
    background.reconcile()
    clock["s"] += 60
    background.reconcile()
    assert len(jobs.words) == 2
    jobs.started[1].wait()


def test_nothing_is_scored_while_a_run_trains_or_when_all_is_scored(scores, data_home):
    background, jobs, clock, model = scores("pass")
    background.reconcile()
    clock["s"] += 60
    with data_home.data.training_lock():
        background.reconcile()
    assert jobs.words == []
    with data_home.database.writing() as session:
        row = CardPrediction(card_id=1, model_sha256=file_sha256(model), problem="blurred")
        add_predictions(session, predictions=[row])
    background.reconcile()
    assert jobs.words == []


def test_the_process_gives_way_to_everything_and_ends_with_the_server(scores):
    background, jobs, clock, _ = scores("import time; time.sleep(60)")
    background.reconcile()
    clock["s"] += 60
    background.reconcile()
    process = jobs.started[0].pid
    assert psutil.Process(process).nice() == LOW_PRIORITY
    autogroup = Path(f"/proc/{process}/autogroup")
    assert not autogroup.exists() or autogroup.read_text(encoding="ascii").endswith(f"nice {LOW_PRIORITY}\n")
    background.stop()
    assert jobs.started[0].poll() is not None
