"""An earlier commit of this program at work in a process of its own, to be timed beside this one."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import ROOT, NothingMeasured

# The last commit before the packages were moved.
COMMIT = "172c264"


@contextmanager
def former_program(script: str) -> Iterator[Callable[[str], None]]:
    """Run a Python script in a worktree of COMMIT; gives a function that sends it a line and waits for its answer.

    script  reads lines from its standard input and answers each with one line
    raises  NothingMeasured without the commit, as in a copy of the program that is not a git clone
    """
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "tree"
        added = subprocess.run(
            ["git", "worktree", "add", "--detach", str(tree), COMMIT],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if added.returncode:
            raise NothingMeasured(f"commit {COMMIT} cannot be checked out: {added.stderr.strip()}")
        try:
            process = subprocess.Popen(
                [sys.executable, "-c", script], cwd=tree, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            try:
                yield lambda line: _ask(process, line)
            finally:
                process.communicate()
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT, check=True)


def _ask(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    if not process.stdout.readline():
        raise RuntimeError("the former program ended; its error is above")
