"""Run the command line in a separate process or within this one."""

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
# Settings of the smallest useful run. One thread per process (see conftest) is ten times faster on a busy machine.
SMALL_RUN = {
    "front_encoder": "mobilenet_v2",
    "back_encoder": "mobilenet_v2",
    "image_size": "64",
    "batch_size": "6",
    "phase2_epochs": "1",
}


@dataclass(frozen=True)
class CommandResult:
    """Exit code, standard output and standard error of a command."""

    exit_code: int
    out: str
    err: str

    @property
    def result(self) -> Any:
        """Standard output parsed as JSON."""
        return json.loads(self.out)

    @property
    def error_line(self) -> str:
        """The single line on standard error of a refused command, which prints nothing else."""
        assert self.exit_code == 2, self
        assert self.out == "", self
        assert self.err.count("\n") == 1, self
        assert self.err.endswith("\n"), self
        return self.err.strip()


def start(*words: Any, **options: Any) -> subprocess.Popen[str]:
    """Start the program in a separate process with piped output."""
    command = [sys.executable, str(PROGRAM), *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def run(*words: Any, **options: Any) -> CommandResult:
    """Run the program in a separate process to its end."""
    process = start(*words, **options)
    out, err = process.communicate(timeout=300)
    return CommandResult(process.returncode, out, err)


def call(*words: Any) -> CommandResult:
    """Run the program within this process, which loads torch only once."""
    result = CliRunner().invoke(launch.program, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return CommandResult(result.exit_code, result.stdout, result.stderr)


def settings(**changes: Any) -> list[str]:
    """SMALL_RUN with changes, as --set options."""
    return [word for key, value in {**SMALL_RUN, **changes}.items() for word in ("--set", f"{key}={value}")]
