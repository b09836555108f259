"""The promoted model does not change when its run writes a new model."""

import hashlib
from pathlib import Path

import pytest

from app.models.model_registry import model_path
from app.screens.train_tab import use_for_grading
from app.settings import UserError
from db import promotions, runs
from engine.experiments.run_folder import MODEL


@pytest.fixture
def run_id(data_home):
    folder = data_home.data.run_folder(1)
    folder.mkdir(parents=True)
    with data_home.database.writing() as session:
        run = runs.add_run(
            session,
            recipe="baseline",
            parent=None,
            config={},
            snapshot_id=None,
            folder=str(folder),
            log_path=str(folder / "log.txt"),
        )
        return run.id


def write_model(home, content: bytes) -> Path:
    """Write a model atomically, as the engine does."""
    path = home.data.run_folder(1) / MODEL
    temporary = path.with_suffix(".part")
    temporary.write_bytes(content)
    return temporary.replace(path)


def test_a_promoted_model_stays_when_its_run_writes_a_better_one(data_home, run_id):
    write_model(data_home, b"epoch 1")
    use_for_grading(data_home.database, run_id)
    write_model(data_home, b"epoch 2, better")
    current = model_path(None, data_home.data)
    assert current == model_path("current", data_home.data)
    assert current.read_bytes() == b"epoch 1"
    with data_home.database.reading() as session:
        promotion = promotions.current_model(session)
    assert promotion.sha256 == hashlib.sha256(b"epoch 1").hexdigest()
    assert promotion.run_id == run_id


def test_promoting_again_uses_the_newer_model_and_promoting_twice_is_harmless(data_home, run_id):
    for content in (b"epoch 1", b"epoch 1", b"epoch 2"):
        write_model(data_home, content)
        use_for_grading(data_home.database, run_id)
    assert model_path(None, data_home.data).read_bytes() == b"epoch 2"


def test_a_run_without_a_model_cannot_be_promoted(data_home, run_id):
    for chosen in (run_id, None, 99):
        with pytest.raises(UserError, match="no model yet"):
            use_for_grading(data_home.database, chosen)
    assert model_path(None, data_home.data) is None


def test_a_control_of_an_earlier_version_cannot_be_promoted(data_home, run_id):
    write_model(data_home, b"epoch 1")
    with data_home.database.writing() as session:
        runs.get(session, run_id=run_id).config = {"seen": "label"}
    with pytest.raises(UserError, match="label"):
        use_for_grading(data_home.database, run_id)


def test_a_promoted_model_whose_file_has_changed_since_is_refused(data_home, run_id):
    write_model(data_home, b"epoch 1")
    use_for_grading(data_home.database, run_id)
    path = model_path("current", data_home.data)
    path.write_bytes(b"epoch 7")
    for name in (None, "current"):
        with pytest.raises(UserError, match="has changed or is damaged since it was chosen; choose a model"):
            model_path(name, data_home.data)


def test_a_missing_promoted_model_is_reported(data_home, run_id):
    write_model(data_home, b"epoch 1")
    use_for_grading(data_home.database, run_id)
    model_path(None, data_home.data).unlink()
    with pytest.raises(UserError, match="is gone; choose another"):
        model_path(None, data_home.data)
