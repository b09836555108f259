"""Fixtures for every room: an empty database, and small pictures that look like nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from PIL import Image

from db.session import Database

# As launch.py does, before any test loads torch: the tests often share their machine with others.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


class PictureFactory(Protocol):
    """Writes a picture and returns its path."""

    def __call__(self, name: str, seed: int = 0, *, size: tuple[int, int] = (60, 84)) -> Path: ...


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated database file to copy: a copy is ten times faster than the migrations."""
    path = tmp_path_factory.mktemp("migrated") / "loupe.db"
    Database.open(path).close()
    return path


@pytest.fixture
def database(migrated_file: Path, tmp_path: Path) -> Iterator[Database]:
    """An empty, migrated database."""
    database = Database.open(shutil.copy(migrated_file, tmp_path / "loupe.db"))
    yield database
    database.close()


@pytest.fixture
def picture(tmp_path: Path) -> PictureFactory:
    """Write `tmp_path / name`: coarse coloured noise drawn from `seed`, `size` is (width, height) in pixels.

    Equal seeds give equal bytes in files of one kind; different seeds give pictures that nobody takes for another.
    """

    def write(name: str, seed: int = 0, *, size: tuple[int, int] = (60, 84)) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)
        return path

    return write
