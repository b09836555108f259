"""A run is gone on with through its own row, by whichever path it is named, and without a row nowhere among those."""

from pathlib import Path

import pytest

from app.commands import training
from app.settings import DataFolder, Trouble
from db import runs
from db.session import Database
from engine import run_folder
from engine.config import BadConfig, build
from engine.pairs import CardPair


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data folder with one stopped run; what is given back to `work` is the number of the run it is asked to do."""
    data = DataFolder(tmp_path / "data")
    data.root.mkdir()
    with Database.open(data.database) as database, database.writing() as session:
        row = runs.add_run(
            session, recipe="loupe", parent="ordinal", config={}, snapshot_id=None, folder="", log_path="", plan=None
        )
        row.folder = str(data.run_folder(row.id))
    told(data.run_folder(1))
    stop(data)
    monkeypatch.setattr(training, "work", lambda data, run_id: {"worked": run_id})
    monkeypatch.setattr(training.several, "train_with_controls", lambda out: {"without a row": out})
    return data


def told(folder: Path) -> None:
    run_folder.record(folder, build({}), [CardPair("a", folder / "a.png", None, 9, split="train")])


def stop(data: DataFolder) -> None:
    with Database.open(data.database) as database, database.writing() as session:
        runs.move(session, run_id=1, expected="queued", to="stopped")


def test_a_link_and_a_relative_path_lead_to_the_run_s_own_row(data, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(data.run_folder(1))
    (tmp_path / "other name").symlink_to(data.root)
    monkeypatch.chdir(data.runs)
    for folder in (data.run_folder(1), Path("run-0001"), tmp_path / "link", tmp_path / "other name/runs/run-0001"):
        assert training.go_on(data, folder) == {"worked": 1}
        stop(data)
    # The data folder itself may be named by a link, too.
    assert training.go_on(DataFolder(tmp_path / "other name"), data.run_folder(1)) == {"worked": 1}


def test_a_run_elsewhere_has_no_row_and_needs_none(data, tmp_path):
    told(tmp_path / "elsewhere")
    assert training.go_on(data, tmp_path / "elsewhere") == {"without a row": tmp_path / "elsewhere"}


def test_among_the_data_folder_s_runs_nothing_is_trained_without_a_row(data):
    told(data.runs / "copied")
    with pytest.raises(Trouble, match=r"copied lies among the data folder's runs, and no row tells of it; move it"):
        training.go_on(data, data.runs / "copied")
    with pytest.raises(BadConfig, match="nowhere: holds no run; give a folder"):
        training.go_on(data, data.runs / "nowhere")
