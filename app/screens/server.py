"""Serving the app: one server a data folder, on this machine, asking nothing of any other."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from filelock import Timeout

from app.errors import MENDABLE
from app.runs.jobs import Jobs
from app.settings import DataFolder, Trouble
from app.terminal import say
from db.session import Database

SETTLE_EVERY_S = 2.0
# What may end one look at the runs, but not the looking after them: a full disk, say, is full for a while.
PASSING: tuple[type[Exception], ...] = (*MENDABLE, OSError)
# Gradio and its hub client would otherwise send usage figures and look for updates.
OFFLINE = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}


def serve(data: DataFolder, *, host: str, port: int, open_browser: bool) -> None:
    """Serve until interrupted. Raises Trouble for a taken port or a data folder that is being served already."""
    with _only_server(data, f"http://{host}:{port}"):
        _check_port(host, port)
        os.environ.update(OFFLINE, GRADIO_TEMP_DIR=str(data.uploads))
        with Database.open(data.database, backup_dir=data.backups) as database:
            jobs = Jobs(database, data)
            threading.Thread(target=_settle_for_ever, args=[jobs], name="settle", daemon=True).start()
            _launch(database, data, jobs, host=host, port=port, open_browser=open_browser)


@contextmanager
def _only_server(data: DataFolder, address: str) -> Iterator[None]:
    note = data.root / "server.txt"
    try:
        with data.server_lock():
            note.write_text(address, encoding="utf-8")
            yield
    except Timeout as error:
        where = note.read_text(encoding="utf-8") if note.exists() else "another address"
        raise Trouble(
            f"the data folder {data.root} is already served at {where}; open that, or give another with --data"
        ) from error


def _check_port(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As servers do: a port that a server has just left is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Trouble(f"{host}:{port} cannot be served on ({error.strerror}); give another with --port") from error


def _settle_for_ever(jobs: Jobs) -> None:
    while True:
        try:
            jobs.settle()
        except PASSING as error:
            # What the terminal's lines go to may be a file on the same full disk.
            with suppress(OSError):
                say(f"the runs could not be looked after this time: {error}")
        time.sleep(SETTLE_EVERY_S)


def _launch(database: Database, data: DataFolder, jobs: Jobs, *, host: str, port: int, open_browser: bool) -> None:
    # Only now: Gradio reads its environment when it is imported.
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
    say(f"Loupe is at http://{host}:{port}, its data in {data.root}; ctrl-C ends it, a run in training goes on")
    screen.block_thread()
