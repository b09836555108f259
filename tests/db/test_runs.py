"""Only legal state transitions of runs are possible, one claimant wins, and progress is recorded."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from contextlib import closing

import pytest
from sqlalchemy.exc import IntegrityError

from db import runs
from db.file_paths import file_references, move_files
from db.promotions import current_model, models_to_go_back_to, promote, promotions
from db.runs import LEGAL_TRANSITIONS, IllegalTransition, UnknownRun
from db.schema import STARTER
from db.snapshots import add_snapshot, get

# Written down a second time, from the rules, not from the code.
LEGAL = {
    ("queued", "running"),
    ("queued", "stopped"),
    ("queued", "failed"),
    ("running", "finished"),
    ("running", "stopped"),
    ("running", "failed"),
    ("running", "lost"),
    ("lost", "queued"),
    ("stopped", "queued"),
    ("failed", "queued"),
}


def queue_one(database) -> int:
    with database.writing() as session:
        return runs.add_run(
            session,
            recipe="baseline",
            parent=None,
            config={"seed": 1},
            snapshot_id=None,
            folder="/runs/1",
            log_path="/runs/1/log",
        ).id


def walk(database, run_id: int, *states: str) -> None:
    for expected, to in itertools.pairwise(states):
        with database.writing() as session:
            assert runs.change_state(session, run_id=run_id, expected=expected, to=to)


@pytest.mark.parametrize(("expected", "to"), list(itertools.product(LEGAL_TRANSITIONS, repeat=2)))
def test_only_legal_state_changes_are_made(database, expected, to):
    run_id = queue_one(database)
    with closing(sqlite3.connect(database.engine.url.database)) as raw:
        raw.execute("UPDATE runs SET state = ?", (expected,))
        raw.commit()
    with database.writing() as session:
        if (expected, to) in LEGAL:
            assert runs.change_state(session, run_id=run_id, expected=expected, to=to)
            assert runs.get(session, run_id=run_id).state == to
        else:
            with pytest.raises(IllegalTransition, match=f"cannot go from {expected} to {to}"):
                runs.change_state(session, run_id=run_id, expected=expected, to=to)
            assert runs.get(session, run_id=run_id).state == expected


def test_of_simultaneous_claims_exactly_one_succeeds(database):
    run_id = queue_one(database)
    start = threading.Barrier(4)
    won: list[int] = []

    def claim(pid: int) -> None:
        start.wait()
        with database.writing() as session:
            if runs.change_state(session, run_id=run_id, expected="queued", to="running", pid=pid):
                won.append(pid)

    threads = [threading.Thread(target=claim, args=(pid,)) for pid in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as session:
        assert [runs.get(session, run_id=run_id).pid] == won


def test_a_run_in_another_state_than_expected_is_not_changed(database):
    run_id = queue_one(database)
    walk(database, run_id, "queued", "running", "finished")
    with database.writing() as session:
        assert not runs.change_state(session, run_id=run_id, expected="running", to="failed", message="late")
        assert runs.get(session, run_id=run_id).message == ""


def test_a_run_records_its_start_and_end_times(database):
    run_id = queue_one(database)
    walk(database, run_id, "queued", "running")
    with database.writing() as session:
        runs.change_state(
            session, run_id=run_id, expected="running", to="finished", summary={"qwk": 0.8}, message="done"
        )
        run = runs.get(session, run_id=run_id)
    assert run.created_at <= run.started_at <= run.ended_at
    assert (run.summary, run.message) == ({"qwk": 0.8}, "done")


def test_resuming_a_run_clears_its_stop_message(database):
    run_id = queue_one(database)
    walk(database, run_id, "queued", "running")
    with database.writing() as session:
        assert runs.request_stop(session, run_id=run_id)
        runs.change_state(session, run_id=run_id, expected="running", to="stopped", message="stopped on request")
    walk(database, run_id, "stopped", "queued")
    with database.reading() as session:
        run = runs.get(session, run_id=run_id)
        assert not runs.stop_requested(session, run_id=run_id)
    assert (run.message, run.ended_at, run.stop_requested_at, run.pid) == ("", None, None, None)


def test_a_stop_request_keeps_its_first_time(database):
    run_id = queue_one(database)
    moments = []
    for _ in range(2):
        with database.writing() as session:
            assert runs.request_stop(session, run_id=run_id)
            moments.append(runs.get(session, run_id=run_id).stop_requested_at)
    assert moments[0] == moments[1] is not None


def test_a_run_that_ended_cannot_be_asked_to_stop(database):
    run_id = queue_one(database)
    walk(database, run_id, "queued", "running", "finished")
    with database.writing() as session:
        assert not runs.request_stop(session, run_id=run_id)
        assert not runs.stop_requested(session, run_id=run_id)


def test_an_epoch_trained_again_replaces_its_row(database):
    run_id = queue_one(database)
    for epoch, loss in [(1, 2.0), (2, 1.5), (2, 1.4)]:
        with database.writing() as session:
            runs.record_epoch(
                session,
                run_id=run_id,
                epoch=epoch,
                phase=2,
                train_loss=loss,
                val_loss=loss + 1,
                qwk=None,
                learning_rate=3e-4,
                seconds=1.0,
                metrics={"exact": 0.5},
            )
    with database.reading() as session:
        assert [(row.epoch, row.train_loss) for row in runs.epochs(session, run_id=run_id)] == [(1, 2.0), (2, 1.4)]


def test_progress_is_the_last_one_reported(database):
    run_id = queue_one(database)
    for batch in (1, 2):
        with database.writing() as session:
            runs.record_progress(session, run_id=run_id, progress={"phase": 1, "batch": batch})
    with database.reading() as session:
        assert runs.get(session, run_id=run_id).progress == {"phase": 1, "batch": 2}


def test_progress_of_a_missing_run_is_an_error(database):
    with pytest.raises(UnknownRun, match="run 7 does not exist"), database.writing() as session:
        runs.record_progress(session, run_id=7, progress={})


def test_the_latest_runs_come_first(database):
    ids = [queue_one(database) for _ in range(3)]
    with database.reading() as session:
        assert [run.id for run in runs.runs(session)] == ids[::-1]


def test_a_queued_or_running_run_is_listed_among_any_number_of_later_runs(database):
    waits, trains, ended = (queue_one(database) for _ in range(3))
    walk(database, trains, "queued", "running")
    walk(database, ended, "queued", "running", "finished")
    for _ in range(100):
        walk(database, queue_one(database), "queued", "stopped")
    with database.reading() as session:
        assert [run.id for run in runs.open_runs(session)] == [waits, trains]
        assert len(runs.runs(session)) == 103


def test_a_state_that_does_not_exist_is_refused(database):
    queue_one(database)
    with closing(sqlite3.connect(database.engine.url.database)) as raw, pytest.raises(sqlite3.IntegrityError):
        raw.execute("UPDATE runs SET state = 'paused'")


def test_a_snapshot_records_the_cards_it_left_out(database, tmp_path):
    left_out = [{"card_id": "a", "reason": "not labelled"}]
    with database.writing() as session:
        row = add_snapshot(session, path=tmp_path / "s.jsonl", sha256="a" * 64, pairs=5, left_out=left_out)
    with database.reading() as session:
        snapshot = get(session, snapshot_id=row.id)
    assert (snapshot.path, snapshot.pairs, snapshot.left_out) == (str(tmp_path / "s.jsonl"), 5, left_out)


def test_a_run_requires_its_snapshot_to_exist(database):
    with pytest.raises(IntegrityError, match="FOREIGN KEY"), database.writing() as session:
        runs.add_run(session, recipe="r", parent=None, config={}, snapshot_id=9, folder="/f", log_path="/l")


def test_the_current_model_is_the_last_one_promoted(database):
    with database.reading() as session:
        assert current_model(session) is None
    with database.writing() as session:
        for path in ("/a", "/b", "/a"):
            promote(session, model_path=path, sha256=path[1] * 64)
    with database.reading() as session:
        assert (current_model(session).id, current_model(session).model_path) == (3, "/a")


def promoted(database, *steps: str) -> list[str]:
    """Promote a model for each letter, put one back for each "<" and letter; the models to go back to, next one last.

    The models are named by their letters.
    """
    with database.writing() as session:
        for step in steps:
            path = step.removeprefix("<")
            promote(session, model_path=f"/{path}", sha256=path * 64, is_rollback=step != path)
        return [row.model_path[1:] for row in models_to_go_back_to(promotions(session))]


def test_each_rollback_goes_back_by_one_model_and_a_promotion_begins_a_new_branch(database):
    assert promoted(database, "a") == []
    assert promoted(database, "b", "b", "c") == ["a", "b"]
    assert promoted(database, "<b") == ["a"]
    assert promoted(database, "<a") == []
    assert promoted(database, "d") == ["a"]
    assert promoted(database, "<c") == ["a", "d"], "one that was taken off the stack comes on top again"


def test_the_model_that_ships_with_the_program_is_neither_backed_up_nor_moved(database):
    with database.writing() as session:
        for path in (STARTER, "/m.pt"):
            promote(session, model_path=path, sha256="a" * 64)
        assert [reference.path for reference in file_references(session)] == ["/m.pt"]
        move_files(session, lambda path: f"/new{path}")
        assert [row.model_path for row in promotions(session)] == [STARTER, "/new/m.pt"]
