"""Where everything lies on this machine: one data folder, read once at the front door and handed on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from platformdirs import user_data_path

from engine.paths import written

PROGRAM = Path(__file__).parent.parent


class Trouble(RuntimeError):
    """Something a person can mend; the message says what is wrong and what to do, and is all they are shown."""


@dataclass(frozen=True)
class DataFolder:
    """The paths below the data folder. Nothing else in the program puts such a path together."""

    root: Path

    @property
    def database(self) -> Path:
        """The one SQLite file."""
        return self.root / "loupe.db"

    @property
    def runs(self) -> Path:
        """A folder a training run."""
        return self.root / "runs"

    @property
    def snapshots(self) -> Path:
        """Frozen labels."""
        return self.root / "snapshots"

    @property
    def cache(self) -> Path:
        """Prepared pictures; may be deleted at any time."""
        return self.root / "cache"

    @property
    def graphs(self) -> Path:
        """Models as onnxruntime reads them; may be deleted at any time."""
        return self.root / "cache" / "graphs"

    @property
    def pictures(self) -> Path:
        """Pictures that came in through the browser."""
        return self.root / "pictures"

    @property
    def uploads(self) -> Path:
        """What a browser sends, until it is a day old."""
        return self.root / "uploads"

    @property
    def exports(self) -> Path:
        """Files written for other programs."""
        return self.root / "exports"

    @property
    def backups(self) -> Path:
        """Copies of the database from before each migration."""
        return self.root / "backups"

    def run_folder(self, run_id: int) -> Path:
        """Checkpoints, model and log of one run."""
        return self.runs / f"run-{run_id:04d}"

    def log(self, run_id: int) -> Path:
        """What one run's processes said, one after the other."""
        return self.run_folder(run_id) / "log.txt"

    def server_lock(self) -> FileLock:
        """Held while a server serves this folder."""
        return FileLock(self.root / "server.lock", timeout=0)

    def training_lock(self) -> FileLock:
        """Held by the one run that trains; the others wait their turn."""
        return FileLock(self.root / "training.lock", timeout=0)

    def run_lock(self, run_id: int) -> FileLock:
        """Held by a run's process from its first moment to its last: a run lives while this is held."""
        return FileLock(self.run_folder(run_id) / "run.lock", timeout=0)


def data_folder(option: Path | None) -> DataFolder:
    """The data folder from --data, else LOUPE_DATA, else the user's own; made where it is missing.

    Raises BadPath, and Trouble where it cannot be written to.
    """
    root = option or Path(os.environ.get("LOUPE_DATA") or user_data_path("loupe"))
    root = written(root).absolute()
    check_folder(root, f"the data folder {root}", "--data")
    return DataFolder(root)


def check_folder(folder: Path, what: str, option: str) -> None:
    """Make a folder where it is missing and see that files can be written there. Raises Trouble naming the option."""
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink(missing_ok=True)  # several processes may ask at once
    except OSError as error:
        raise Trouble(f"{what} cannot be written to ({error.strerror}); give another with {option}") from error


def check_file(file: Path, option: str) -> None:
    """See that a file of that name can be written, its folder made where it is missing. Raises Trouble."""
    check_folder(file.absolute().parent, str(file), option)
    if file.is_dir():
        raise Trouble(f"{file} is a folder; give the name of a file with {option}")
