"""Fixtures for the screens: an empty data folder, its page, and the application that serves it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI

from app.runs.jobs import Jobs
from app.screens.application import application
from app.screens.checked_blocks import CheckedBlocks
from app.screens.page import build
from app.settings import ServerOptions, data_folder
from db.session import Database
from tests.app.conftest import Home


@dataclass(frozen=True)
class Served:
    """A data folder with its page, mounted."""

    home: Home
    page: CheckedBlocks
    app: FastAPI


def mounted(home: Home, options: ServerOptions) -> Served:
    """Build and mount the page of a data folder."""

    async def built() -> Served:  # without a running event loop, Gradio creates one and leaves it open
        page = build(home.database, home.data, home.jobs, options)
        return Served(home, page, application(page, home.data, options))

    return asyncio.run(built())


@pytest.fixture(scope="module")
def empty_home(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A data folder without cards, and Gradio's uploads within it."""
    data = data_folder(tmp_path_factory.mktemp("data"))
    shutil.copy(migrated_file, data.database)
    with pytest.MonkeyPatch.context() as variables, Database.open(data.database) as database:
        variables.setenv("GRADIO_TEMP_DIR", str(data.uploads))
        yield Home(data, database, Jobs(database, data))
