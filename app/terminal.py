"""Terminal output of the commands: JSON to stdout or a file, everything else to stderr."""

from __future__ import annotations

import getpass
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from app.settings import UserError
from engine.storage.disk_space import disk_full_message
from engine.torchrun import BadEnvironment, started_by_torchrun

PRINT_INTERVAL_S = 1.0
BAD_OUTPUT = 2
PASSWORD_VARIABLE = "LOUPE_PASSWORD"
# A file's name may hold signs that end the line, move the cursor, change the colors, or turn the direction of the text.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def rank_and_world_size() -> tuple[int, int]:
    """Rank and world size from torchrun's environment variables; (0, 1) without torchrun. Raises BadEnvironment."""
    processes = started_by_torchrun()
    return processes.rank, processes.world_size


def print_message(text: str) -> None:
    """Print one line to stderr, on rank 0 only."""
    if rank_and_world_size()[0] == 0:
        print(_one_line(text), file=sys.stderr, flush=True)  # noqa: T201 - this is the terminal


def read_password(user: str) -> str:
    """The password of the app's user, from LOUPE_PASSWORD or else typed into the terminal. Raises UserError."""
    if not user:
        raise UserError("--auth needs the name of the user; give it after the option")
    password = os.environ.get(PASSWORD_VARIABLE, "")
    if not password and sys.stdin.isatty():
        password = getpass.getpass(f"Password for {user}: ")
    if not password:
        raise UserError(f"--auth {user} needs a password; set the variable {PASSWORD_VARIABLE}, or type it when asked")
    return password


def print_error(text: str) -> None:
    """Print the error that ends this process to stderr; with several ranks each names itself."""
    try:
        rank, world_size = rank_and_world_size()
    except BadEnvironment:  # the error to print
        rank, world_size = 0, 1
    suffix = f" (process {rank + 1} of {world_size})" if world_size > 1 else ""
    with suppress(OSError):  # stderr may be a file on the full disk that the error is about
        print(f"loupe{suffix}: {_one_line(text)}", file=sys.stderr, flush=True)  # noqa: T201 - this is the terminal


def _one_line(text: str) -> str:
    """The text with the escape sequences of Python in place of control characters."""
    return CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def print_result(result: Any, path: Path | None) -> None:
    """Write the command's result as JSON to `path`, or to stdout; on rank 0 only.

    Exits with code 2 and one sentence if it cannot be written, as on a full disk.
    """
    if rank_and_world_size()[0] != 0:
        return
    text = _json_text(result, (sys.stdout.encoding or "utf-8") if path is None else "utf-8")
    try:
        if path is None:
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        print_error(f"the result cannot be written to {path or 'the output'} ({error.strerror}); the command is done")
        if path is None:
            # What is left in the buffer would fail again when Python exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        elif path.is_file() and disk_full_message(error):
            path.unlink()  # its first part, which is no JSON
        raise SystemExit(BAD_OUTPUT) from error


def _json_text(result: Any, encoding: str) -> str:
    """The result as JSON with plain letters, or with escaped ones where the output has none of them."""
    text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = json.dumps(result, indent=2, allow_nan=False) + "\n"
    return text


@contextmanager
def stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Take SIGINT and SIGTERM, Ctrl-C and a shutdown of the machine, as a request to stop until the block ends.

    Yields a function that returns True once there is a request.
    """
    requested = False

    def request_stop(*_: object) -> None:
        nonlocal requested
        requested = True

    before = {number: signal.signal(number, request_stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: requested
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class ProgressMeter:
    """Progress line on stderr, at most once a second; nothing for a step that takes less."""

    def __init__(self) -> None:
        self._printed_at = time.monotonic()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Print `done` of `total` if a second has passed since the last line."""
        if time.monotonic() - self._printed_at >= PRINT_INTERVAL_S:
            self._printed_at = time.monotonic()
            print_message(f"{step}: {done} of {total}")
