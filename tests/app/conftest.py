"""Fixtures for the app: a data folder with cards in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.runs.jobs import Jobs
from app.settings import DataFolder, data_folder
from db.session import Database
from labeling.import_cards import import_cards
from tests.app.model_desk import Desk


@dataclass(frozen=True)
class Home:
    """A data folder, its open database and its runs."""

    data: DataFolder
    database: Database
    jobs: Jobs


@pytest.fixture(scope="module")
def home(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A data folder with the thirty cards."""
    data = data_folder(tmp_path_factory.mktemp("data"))
    with Database.open(data.database) as database:
        import_cards(database, manifest)
        yield Home(data, database, Jobs(database, data))


@pytest.fixture
def data_home(tmp_path: Path, database: Database) -> Home:
    """A data folder of one test, without cards."""
    data = data_folder(tmp_path)
    return Home(data, database, Jobs(database, data))


@pytest.fixture
def desk(data_home: Home, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The data folder of one test, whose models answer as told."""
    return Desk(data_home, monkeypatch)


@pytest.fixture
def starter_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A starter whose grades are up to two grades off, see `Desk`."""
    path = tmp_path / "shipped" / "model.pt"
    path.parent.mkdir()
    path.write_bytes(b"2: starter")
    monkeypatch.setattr("engine.starter.MODEL", path)
    return path
