"""SHA-256 of a file, and files that are named by it. Free of torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

from engine.storage.atomic import write_bytes

NAME_DIGITS = 16


def sha256(path: Path) -> str:
    """SHA-256 of a file as 64 hex digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_bytes(content: bytes) -> str:
    """SHA-256 of the content of a file as 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def write_by_hash(folder: Path, content: bytes, suffix: str) -> tuple[Path, str]:
    """Write a file named by the beginning of its SHA-256; returns its absolute path and the hash. Raises DiskFull."""
    digest = sha256_of_bytes(content)
    path = folder.absolute() / f"{digest[:NAME_DIGITS]}{suffix}"
    write_bytes(path, content, shared=True)
    return path, digest
