"""The program as a person at a terminal has it: run as a process of its own, or called within this one."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

import launch

PROGRAM = Path(launch.__file__).absolute()
# The smallest run that is a real one. One thread a process (see conftest) makes it ten times faster on a busy machine.
SMALL_RUN = {
    "front_encoder": "mobilenet_v2",
    "back_encoder": "mobilenet_v2",
    "image_size": "64",
    "batch_size": "6",
    "phase2_epochs": "1",
}


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> Any:
        """Standard output as the JSON that it must be, all of it."""
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The one line that a refused command says, on standard error and nowhere else."""
        assert self.code == 2, self
        assert self.out == "", self
        assert self.err.count("\n") == 1, self
        assert self.err.endswith("\n"), self
        return self.err.strip()


def start(*words: Any, **options: Any) -> subprocess.Popen[str]:
    """The program in a process of its own, its two streams to be read."""
    command = [sys.executable, str(PROGRAM), *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def run(*words: Any, **options: Any) -> Said:
    """The program in a process of its own, to its end."""
    process = start(*words, **options)
    out, err = process.communicate(timeout=300)
    return Said(process.returncode, out, err)


def call(*words: Any) -> Said:
    """The same within this process, where nothing but the words of the contract is asked: torch is loaded once."""
    result = CliRunner().invoke(launch.program, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return Said(result.exit_code, result.stdout, result.stderr)


def settings(**changes: Any) -> list[str]:
    """SMALL_RUN with changes, as --set takes it."""
    return [word for key, value in {**SMALL_RUN, **changes}.items() for word in ("--set", f"{key}={value}")]
