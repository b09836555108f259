"""Imitations of a full disk: a limit on the size of files, and a small disk of its own."""

from __future__ import annotations

import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes: writing fails with "File too large", in the same places as a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def skip_without_mounts() -> None:
    """Skip the test if this user may not mount a small disk."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-mr", "true"], check=False).returncode:
        pytest.skip("needs a mount namespace")
