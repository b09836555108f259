"""An error of the file system that the user can mend is one sentence, by command and in the record of a run."""

import errno

import pytest

from app.errors import user_message
from app.runs import jobs
from app.runs.worker import train_queued_run
from db import runs
from engine.recipes import recipe_config
from engine.training import loop
from labeling.import_cards import import_cards
from tests.card_factory import write_cards
from tests.commands import SMALL_RUN, call


@pytest.fixture
def filled(data_home, tmp_path):
    """A data folder with three labelled cards."""
    import_cards(data_home.database, write_cards(tmp_path / "cards", [9, 8, 7]))
    return data_home


def test_errors_with_a_file_are_sentences_and_others_are_not():
    denied = PermissionError(errno.EACCES, "Permission denied", "/data/runs")
    assert user_message(denied) == (
        "/data/runs cannot be used (Permission denied); check it, its folder and their permissions"
    )
    assert user_message(OSError("no number")) is None
    assert user_message(OSError(errno.EACCES, "no file is named")) is None
    assert user_message(OSError(errno.EINVAL, "Invalid argument", "/data/runs")) is None, "a fault of the program"


def test_a_file_in_the_place_of_a_folder_gives_one_sentence(filled):
    root = filled.data.root
    for name, words in {"exports": ["export", "labels"], "snapshots": ["train"], "runs": ["train"]}.items():
        (root / name).write_bytes(b"")
        refused = call(*words, "--data", root)
        assert f"{root / name}" in refused.error_line
        assert "cannot be used" in refused.error_line
        (root / name).unlink()
    (root / "server.lock").mkdir()
    assert "cannot be used" in call("restore", root / "loupe.db", "--data", root).error_line


def test_a_run_that_may_not_write_its_folder_fails_with_the_sentence(filled, monkeypatch, restore_signals):
    config = recipe_config("baseline", SMALL_RUN)
    run_id = jobs.queue_run(filled.database, filled.data, recipe="baseline", parent=None, config=config)

    def train(*_):
        raise PermissionError(errno.EACCES, "Permission denied", "/data/last.ckpt")
        yield

    monkeypatch.setattr(loop, "train", train)
    with pytest.raises(PermissionError):
        train_queued_run(filled.data, run_id)
    with filled.database.reading() as session:
        run = runs.get(session, run_id=run_id)
    assert (run.state, run.message.startswith("/data/last.ckpt cannot be used (Permission denied)")) == ("failed", True)
