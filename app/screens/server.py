"""Local server of the app: one per data folder, without requests to other machines."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import socket
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import uvicorn
from filelock import Timeout

from app.errors import USER_ERRORS
from app.labels.background_scores import BackgroundScores
from app.runs.jobs import Jobs
from app.screens.security import LOOPBACK_NAMES, MCP_ROUTE, is_loopback
from app.settings import DataFolder, ServerOptions, UserError
from app.terminal import print_message
from db.backups import copy_daily
from db.session import Database

RECONCILE_INTERVAL_S = 2.0
SCORES_INTERVAL_S = 5.0
# Errors after which the runs are checked again at the next interval: a full disk, for example, may be temporary.
RETRIED_ERRORS: tuple[type[Exception], ...] = (*USER_ERRORS, OSError)
OPEN_TO_ALL = (
    "Anyone who can reach this machine over the network can use Loupe and see your cards; add --auth NAME to ask for a "
    "password"
)
MCP_MISSING = (
    '--mcp needs the package mcp; install it with: pip install -c constraints.txt -e ".[mcp]", then start Loupe again'
)
# Otherwise Gradio and its hub client send usage statistics and check for updates.
OFFLINE = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}


UPLOADS_KEPT_S, CLEANING_INTERVAL_S = 24 * 3600.0, 3600.0
# Pages keep a connection open for events; it would otherwise keep a stopped server alive.
SHUTDOWN_S = 2


def serve(data: DataFolder, options: ServerOptions) -> None:
    """Serve until interrupted. Raises UserError if the port is in use or the data folder is already served."""
    address = _address(options)
    _check_mcp(options)
    with _server_lock(data, address), _bind(options.host, options.port) as listener:
        _forget_gradio_settings()
        if options.mcp:
            _reach_itself_directly()
        os.environ.update(OFFLINE, GRADIO_TEMP_DIR=str(data.uploads), GRADIO_EXAMPLES_CACHE=str(data.uploads))
        with Database.open(data.database, backup_dir=data.backups) as database:
            jobs = Jobs(database, data)
            threading.Thread(target=_reconcile_runs_forever, args=[jobs], name="reconcile", daemon=True).start()
            threading.Thread(target=_clean_forever, args=[data], name="clean", daemon=True).start()
            scores = BackgroundScores(database, data, jobs)
            threading.Thread(target=_score_forever, args=[scores], name="scores", daemon=True).start()
            _serve(database, data, jobs, options, listener, address, at_end=scores.stop)


def _check_mcp(options: ServerOptions) -> None:
    """Raise UserError if assistants are to be answered but cannot be."""
    if options.mcp and find_spec("mcp") is None:
        raise UserError(MCP_MISSING)
    if options.mcp and options.login is not None:
        raise UserError("--mcp does not go with --auth, for assistants cannot log in; leave one of them out")
    # Gradio's MCP server calls the API from this machine, and so would pass for a local client.
    if options.mcp and not is_loopback(options.host):
        raise UserError("--mcp serves assistants on this machine only; leave out --host, or --mcp")


def _reach_itself_directly() -> None:
    """Let Gradio's MCP server, which calls the API over http, reach it past a proxy of the environment."""
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join([*filter(None, [os.environ.get(name)]), *LOOPBACK_NAMES])


def _forget_gradio_settings() -> None:
    """Remove settings meant for other Gradio apps: they could serve more files, share the page, or stop the start."""
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]


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


@contextmanager
def _bind(host: str, port: int) -> Iterator[socket.socket]:
    if not _is_host(host):
        raise UserError(f"--host {host!r} is no address; give 127.0.0.1 for this machine alone, or 0.0.0.0 for all")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        # As web servers do: a port that was just released counts as free. It is listened to once the app can answer.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise UserError(
                f"cannot serve on {host}:{port} ({error.strerror}); give another --host or --port"
            ) from error
        yield listener


def _is_host(host: str) -> bool:
    """True for a name or address; an empty one would be all addresses of this machine."""
    try:
        return host.encode("idna") != b""
    except UnicodeError:
        return False


def _address(options: ServerOptions) -> str:
    """The address to open in a browser on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(options.host, options.host)
    return f"{_scheme(options)}://{f'[{host}]' if ':' in host else host}:{options.port}"


def _scheme(options: ServerOptions) -> str:
    return "http" if options.https is None else "https"


def _reconcile_runs_forever(jobs: Jobs) -> None:
    while True:
        try:
            jobs.reconcile()
        except RETRIED_ERRORS as error:
            # The terminal output may go to a file on the same full disk.
            with suppress(OSError):
                print_message(f"could not check the runs this time: {error}")
        time.sleep(RECONCILE_INTERVAL_S)


def _score_forever(scores: BackgroundScores) -> None:
    while True:
        time.sleep(SCORES_INTERVAL_S)
        try:
            scores.reconcile()
        except RETRIED_ERRORS as error:
            with suppress(OSError):
                print_message(f"could not score the cards this time: {error}")


def _clean_forever(data: DataFolder) -> None:
    """Delete uploads that are older than a day, also those of a server that was killed; copy the database daily."""
    while True:
        delete_older(data.uploads, time.time() - UPLOADS_KEPT_S)
        copy_daily(data.database, data.backups)
        time.sleep(CLEANING_INTERVAL_S)


def delete_older(folder: Path, before: float) -> None:
    """Delete the entries of a folder that were last changed before a time in seconds."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        with suppress(FileNotFoundError):  # deleted by Gradio meanwhile
            if entry.lstat().st_mtime >= before:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink()


class _Server(uvicorn.Server):
    """Server that says when it is ready, and ends without a word about the connections that are still open.

    at_end  called when it ends, by whichever signal: uvicorn raises the signal again after its own end
    """

    def __init__(
        self,
        config: uvicorn.Config,
        address: str,
        sentences: list[str],
        *,
        open_browser: bool,
        at_end: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._at_end = at_end
        self._address, self._sentences, self._open_browser = address, sentences, open_browser

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for sentence in self._sentences:
            print_message(sentence)
        if self._open_browser:
            # In a thread: some browsers return only when they are closed.
            threading.Thread(target=webbrowser.open, args=[self._address], daemon=True).start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        logging.getLogger("uvicorn.error").addFilter(is_a_bug)
        await super().shutdown(sockets)
        await asyncio.to_thread(self._at_end)


def is_a_bug(record: logging.LogRecord) -> bool:
    """False for what uvicorn logs about connections that are cut when the server ends."""
    error = record.exc_info[1] if record.exc_info else None
    return error is not None and not isinstance(error, asyncio.CancelledError)


def _serve(
    database: Database,
    data: DataFolder,
    jobs: Jobs,
    options: ServerOptions,
    listener: socket.socket,
    address: str,
    *,
    at_end: Callable[[], None],
) -> None:
    # Imported late: Gradio reads the environment variables on import.
    from app.screens.application import application  # noqa: PLC0415
    from app.screens.page import build  # noqa: PLC0415

    app = application(build(database, data, jobs, options), data, options)
    sentences = [f"Loupe is at {address}, its data in {data.root}; Ctrl-C ends the app, a training run continues"]
    if options.mcp:
        sentences.append(f"AI assistants reach it at {address}{MCP_ROUTE}")
    if not is_loopback(options.host):
        sentences.append(f"Other machines reach it at {_scheme(options)}://{socket.gethostname()}:{options.port}")
    if not is_loopback(options.host) and options.login is None:
        sentences.append(OPEN_TO_ALL)
    config = uvicorn.Config(
        app,
        log_level="warning",
        workers=1,  # otherwise read from the environment
        # The address of a client is that of its connection; anyone may send an X-Forwarded-For header.
        proxy_headers=False,
        server_header=False,
        ssl_certfile=None if options.https is None else str(options.https.certificate),
        ssl_keyfile=None if options.https is None else str(options.https.key),
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    with suppress(KeyboardInterrupt):  # raised again by uvicorn after it has shut down
        _Server(config, address, sentences, open_browser=options.open_browser, at_end=at_end).run(sockets=[listener])
