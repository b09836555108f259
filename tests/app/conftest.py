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
