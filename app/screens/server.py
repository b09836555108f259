"""Local server of the app: one per data folder, without requests to other machines."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from filelock import Timeout

from app.errors import USER_ERRORS
from app.runs.jobs import Jobs
from app.settings import DataFolder, UserError
from app.terminal import print_message
from db.session import Database

RECONCILE_INTERVAL_S = 2.0
# Errors after which the runs are checked again at the next interval: a full disk, for example, may be temporary.
RETRIED_ERRORS: tuple[type[Exception], ...] = (*USER_ERRORS, OSError)
# Otherwise Gradio and its hub client send usage statistics and check for updates.
OFFLINE = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}


def serve(data: DataFolder, *, host: str, port: int, open_browser: bool) -> None:
    """Serve until interrupted. Raises UserError if the port is in use or the data folder is already served."""
    with _server_lock(data, f"http://{host}:{port}"):
        _check_port(host, port)
        os.environ.update(OFFLINE, GRADIO_TEMP_DIR=str(data.uploads))
        with Database.open(data.database, backup_dir=data.backups) as database:
            jobs = Jobs(database, data)
            threading.Thread(target=_reconcile_runs_forever, args=[jobs], name="reconcile", daemon=True).start()
            _launch(database, data, jobs, host=host, port=port, open_browser=open_browser)


@contextmanager
def _server_lock(data: DataFolder, address: str) -> Iterator[None]:
    address_file = data.root / "server.txt"
    try:
        with data.server_lock():
            address_file.write_text(address, encoding="utf-8")
            yield
    except Timeout as error:
        current_address = address_file.read_text(encoding="utf-8") if address_file.exists() else "another address"
        raise UserError(
            f"the data folder {data.root} is already served at {current_address}; open that, or give another --data"
        ) from error


def _check_port(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As web servers do: a port that was just released counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UserError(
                f"cannot serve on {host}:{port} ({error.strerror}); give another port with --port"
            ) from error


def _reconcile_runs_forever(jobs: Jobs) -> None:
    while True:
        try:
            jobs.reconcile()
        except RETRIED_ERRORS as error:
            # The terminal output may go to a file on the same full disk.
            with suppress(OSError):
                print_message(f"could not check the runs this time: {error}")
        time.sleep(RECONCILE_INTERVAL_S)


def _launch(database: Database, data: DataFolder, jobs: Jobs, *, host: str, port: int, open_browser: bool) -> None:
    # Imported late: Gradio reads the environment variables on import.
    from app.screens.page import LAUNCH_OPTIONS, build  # noqa: PLC0415

    screen = build(database, data, jobs)
    screen.launch(
        server_name=host,
        server_port=port,
        inbrowser=open_browser,
        allowed_paths=[str(data.root)],
        prevent_thread_lock=True,
        **LAUNCH_OPTIONS,
    )
    print_message(
        f"Loupe is at http://{host}:{port}, its data in {data.root}; Ctrl-C ends the app, a training run continues"
    )
    screen.block_thread()
