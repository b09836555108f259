"""Paths below the data folder, which is resolved once at start-up and passed on."""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock
from platformdirs import user_data_path

from engine.paths import expand_path

PROGRAM = Path(__file__).parent.parent


class UserError(RuntimeError):
    """An error that the user can correct; only its message is shown: the problem and the remedy."""


@dataclass(frozen=True)
class DataFolder:
    """Paths below the data folder. No other module builds such a path."""

    root: Path

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.root / "loupe.db"

    @property
    def runs(self) -> Path:
        """Training runs, one folder each."""
        return self.root / "runs"

    @property
    def snapshots(self) -> Path:
        """Label snapshots."""
        return self.root / "snapshots"

    @property
    def cache(self) -> Path:
        """Prepared pictures; may be deleted at any time."""
        return self.root / "cache"

    @property
    def shown(self) -> Path:
        """Smaller copies of pictures for the browser: the only folder that the server gives out; may be deleted."""
        return self.root / "cache" / "shown"

    @property
    def graphs(self) -> Path:
        """Models as ONNX graphs for onnxruntime; may be deleted at any time."""
        return self.root / "cache" / "graphs"

    @property
    def test_openings(self) -> Path:
        """Logs of the uses of the test split, a file per model."""
        return self.root / "test_openings"

    @property
    def reserve(self) -> Path:
        """Space that is freed when the disk is full; see app.runs.disk_reserve."""
        return self.root / "reserve"

    @property
    def pictures(self) -> Path:
        """Pictures uploaded in the browser and kept."""
        return self.root / "pictures"

    @property
    def uploads(self) -> Path:
        """Temporary browser uploads, deleted after a day."""
        return self.root / "uploads"

    @property
    def exports(self) -> Path:
        """Files written for other programs."""
        return self.root / "exports"

    @property
    def backups(self) -> Path:
        """Copies of the database, one before each migration."""
        return self.root / "backups"

    @property
    def batches(self) -> Path:
        """Batches of cards to grade, one folder each."""
        return self.root / "batches"

    @property
    def imports(self) -> Path:
        """Imports in the browser, one folder each."""
        return self.root / "imports"

    def batch_folder(self, number: int) -> Path:
        """The folder of a batch: its cards, rows and log."""
        return self.batches / f"batch-{number:04d}"

    def run_folder(self, run_id: int) -> Path:
        """The folder of a run: checkpoints, model and log."""
        return self.runs / f"run-{run_id:04d}"

    def log(self, run_id: int) -> Path:
        """The log of a run, appended to by each of its processes."""
        return self.run_folder(run_id) / "log.txt"

    def server_lock(self) -> FileLock:
        """Lock held while a server serves this folder."""
        return FileLock(self.root / "server.lock", timeout=0)

    def training_lock(self) -> FileLock:
        """Lock held by the run that trains; other runs wait for it."""
        return FileLock(self.root / "training.lock", timeout=0)

    def run_lock(self, run_id: int) -> FileLock:
        """Lock held by a run's process from start to exit: the run is alive while it is held."""
        return FileLock(self.run_folder(run_id) / "run.lock", timeout=0)


@dataclass(frozen=True)
class Login:
    """The user who may log in to the app, and the password."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class HttpsFiles:
    """Certificate and private key of an https server, PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class ServerOptions:
    """Options of the app's server.

    public_hosts      further names under which the server is reached, such as that of a reverse proxy
    login             None: whoever reaches the server may use it
    https             None: plain http
    mcp               also answer assistants by the Model Context Protocol
    max_upload_bytes  size of any upload; a picture may have `max_picture_bytes`
    """

    host: str = "127.0.0.1"
    port: int = 7860
    open_browser: bool = True
    public_hosts: Sequence[str] = ()
    login: Login | None = None
    https: HttpsFiles | None = None
    mcp: bool = False
    max_picture_bytes: int = 64 * 10**6
    max_upload_bytes: int = 4 * 10**9


def https_files(certificate: Path | None, key: Path | None) -> HttpsFiles | None:
    """The files of --certificate and --key; None without them. Raises UserError unless they belong together."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UserError("--certificate and --key go together: give the certificate and its private key, PEM files")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise UserError(
            f"{certificate} and {key} cannot be used for https ({reason}); give a certificate and its private key "
            "without a password, PEM files"
        ) from error
    return HttpsFiles(certificate, key)


def data_folder(option: Path | None) -> DataFolder:
    """The data folder from --data, LOUPE_DATA or the user's default, in this order; created if missing.

    Raises BadPath, and UserError if it is not writable.
    """
    root = option or Path(os.environ.get("LOUPE_DATA") or user_data_path("loupe"))
    root = expand_path(root).absolute()
    try:
        str(root).encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"the name of the data folder {str(root)!r} is not valid UTF-8; give another with --data"
        ) from error
    check_folder(root, f"the data folder {root}", "--data")
    return DataFolder(root)


def check_folder(folder: Path, name: str, option: str) -> None:
    """Create a folder if missing and check that it is writable. Raises UserError, which names the option."""
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink(missing_ok=True)  # several processes may check at once
    except OSError as error:
        raise UserError(f"{name} cannot be written to ({error.strerror}); give another with {option}") from error


def check_file(file: Path, option: str) -> None:
    """Check that a file can be written; create its folder if missing. Raises UserError."""
    check_folder(file.absolute().parent, str(file), option)
    if file.is_dir():
        raise UserError(f"{file} is a folder; give the name of a file with {option}")
