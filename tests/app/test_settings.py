"""Data folder: its location, and the error if it cannot be used."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.settings import UserError, check_file, data_folder


def test_all_paths_are_below_the_root(tmp_path):
    data = data_folder(tmp_path / "new")
    assert data.root.is_dir()
    assert list(data.root.iterdir()) == []
    for path in (data.database, data.run_folder(3), data.snapshots, data.cache, data.pictures, data.uploads):
        assert path.is_relative_to(data.root)


def test_the_option_overrides_the_environment_which_overrides_the_default_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LOUPE_DATA", str(tmp_path / "environment"))
    assert data_folder(tmp_path / "option").root == tmp_path / "option"
    assert data_folder(None).root == tmp_path / "environment"
    monkeypatch.delenv("LOUPE_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("HOME", str(tmp_path / "own"))
    assert data_folder(None).root.is_relative_to(tmp_path / "own")


def test_a_relative_folder_is_made_absolute_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert data_folder(Path("here")).root == tmp_path / "here"


def test_a_folder_that_cannot_be_made_is_named_with_the_reason_and_the_remedy(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/data cannot be written to \(.+\); give another with --data"):
        data_folder(tmp_path / "file" / "data")


def test_a_folder_is_refused_as_a_file(tmp_path):
    with pytest.raises(UserError, match=r"is a folder; give the name of a file with --json"):
        check_file(tmp_path, "--json")


def test_many_processes_may_ask_for_the_folder_at_once(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        roots = list(pool.map(lambda _: data_folder(tmp_path / "data").root, range(400)))
    assert set(roots) == {tmp_path / "data"}
