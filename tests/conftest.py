"""Shared fixtures: an empty database, small distinct pictures, a trained model."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from db.session import Database
from tests import commands
from tests.card_factory import write_cards

GRADES_OF_CARDS = [1 + (7 * number // 3) % 10 for number in range(30)]

# Set before any test imports torch, and for the processes that tests start. Small networks gain nothing from more
# threads, and on a shared machine waiting threads made training twenty times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Some tests import onnxruntime before the program does, which turns its usage statistics off.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# For the same reason hypothesis has no deadline: a busy machine must not fail a test.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with browser or slow tests first, so that no process is left alone with a long file at the end."""

    def is_fast(path: Path) -> bool:
        return path not in slow_files

    slow_files = {item.path for item in items for mark in ("browser", "slow", "long") if item.get_closest_marker(mark)}
    items.sort(key=lambda item: is_fast(item.path))


class PictureFactory(Protocol):
    """Writes a picture and returns its path."""

    def __call__(self, name: str, seed: int = 0, *, size: tuple[int, int] = (60, 84)) -> Path: ...


@pytest.fixture(autouse=True)
def no_starter_model(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hide the starter model, so that tests do not depend on it; a test that needs one provides its own."""
    monkeypatch.setattr("engine.starter.MODEL", tmp_path_factory.getbasetemp() / "no starter" / "model.pt")


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty synthetic cards with both sides and grades from 1 to 10, their splits fixed: 18 train, 6 val, 6 test."""
    return write_cards(tmp_path_factory.mktemp("thirty_cards"), GRADES_OF_CARDS)


@pytest.fixture(scope="session")
def trained(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> commands.CommandResult:
    """Output of `train` for a small run of one epoch on the thirty cards; its model is `trained.result["model"]`.

    resnet18 on both sides: mobilenet_v2 learns nothing within so few steps.
    """
    out = tmp_path_factory.mktemp("trained") / "run"
    small = commands.settings(front_encoder="resnet18", back_encoder="resnet18")
    return commands.run("train", "--manifest", manifest, "--out", out, "--recipe", "baseline", *small)


@pytest.fixture(scope="session")
def model(trained: commands.CommandResult) -> Path:
    """A trained model's file."""
    return Path(trained.result["model"])


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated database file to copy, which is ten times faster than running the migrations."""
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
    """Write `tmp_path / name`: coarse colored noise from `seed`; `size` is (width, height) in pixels.

    Equal seeds give equal bytes in files of one format; different seeds give clearly different pictures.
    """

    def write(name: str, seed: int = 0, *, size: tuple[int, int] = (60, 84)) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)
        return path

    return write


@pytest.fixture
def restore_signals() -> Iterator[None]:
    """Restore SIGINT and SIGTERM handlers, for tests that call code in this process that replaces them."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
