"""A run's progress in words, its curves from the first epoch on, and what its best epoch gets right."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from app.runs.epoch_report import epoch_report
from app.runs.run_status import progress_text
from db.schema import Epoch, Run
from engine.evaluation.metrics import point_metrics


def run(step="training", *, epoch=3, done=20, total=40, seconds_left=None):
    progress = {"step_name": step, "epoch": epoch, "batch": done, "batches": total, "seconds_left": seconds_left}
    return Run(id=1, recipe="loupe", config={"phase1_epochs": 2, "phase2_epochs": 10}, progress=progress)


def epochs(count, seconds=60.0):
    metrics = {
        **point_metrics(np.array([1, 1, 10, 10]), np.eye(10)[[0, 1, 9, 9]]),
        "train_qwk": 0.5,
        "chosen_by": "qwk",
    }
    values = {"phase": 2, "train_loss": 1.0, "val_loss": 1.5, "learning_rate": 1e-3, "seconds": seconds}
    return tuple(
        Epoch(run_id=1, epoch=number, qwk=0.6, metrics=metrics, created_at=datetime.now(UTC), **values)
        for number in range(1, count + 1)
    )


@pytest.mark.parametrize(
    ("progress", "done", "text"),
    [
        (run("pictures", epoch=0, done=32, total=174), 0, "Before the first epoch: preparing picture 32 of 174"),
        (run("pictures", epoch=0, seconds_left=200), 0, ", about 3 minutes left for this step"),
        (run("worn copies", epoch=0, done=1, total=2), 0, "Before the first epoch: worn copies 1 of 2"),
        # Half of the first of 12 epochs took 30 s: 11.5 minutes are left.
        (run(epoch=1, seconds_left=30), 0, "Epoch 1 of 12: training 20 of 40, about 12 minutes left"),
        # A minute for each of the epochs so far: half of the third and nine more.
        (run(epoch=3), 2, "Epoch 3 of 12: training 20 of 40, about 10 minutes left"),
        (
            run("validation", epoch=12, done=1, total=2),
            11,
            "Epoch 12 of 12: validation 1 of 2, less than a",
        ),
    ],
)
def test_the_progress_names_the_step_and_the_time_left(progress, done, text):
    assert text in progress_text(progress, epochs(done))


def test_hours_are_counted_in_hours():
    assert "about 8 hours left" in progress_text(run(epoch=3), epochs(2, seconds=3000))


def test_recall_and_confusion_are_those_of_the_best_epoch():
    report = epoch_report(epochs(2))
    assert "epoch 1" in report, "the first of two equal ones is kept"
    # Of two cards labelled 1, one is called a 2; both tens are right.
    assert "| label | cards | right | 1 | 2 | 10 |" in report
    # Each number is a link to its cards: the run, the label and the model's grade.
    assert "| **1** | 2 | 50% | [1](#dataset:run-1:1:1) | [1](#dataset:run-1:1:2) |  |" in report
    assert "| **10** | 2 | 100% |  |  | [2](#dataset:run-1:10:10) |" in report
    assert epoch_report(()) == ""
