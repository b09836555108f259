"""JSON files that cache the results of long computations."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.storage.atomic import write_text


def load_or_compute(path: Path, compute: Callable[[], Any]) -> Any:
    """Load the file; if it is missing, compute and write it first."""
    if not path.is_file():
        write_json(path, compute())
    return read_json(path)


def write_json(path: Path, value: Any) -> None:
    """Write the value atomically: an interruption leaves the old file intact."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(value, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def require_same_plan(plan: Any, path: Path) -> None:
    """Store the plan of a folder at `path`. Raises SystemExit if the folder was filled by another plan."""
    plan = json.loads(json.dumps(plan))
    if load_or_compute(path, lambda: plan) != plan:
        raise SystemExit(f"{path.parent} was filled by another plan ({path.name}); choose another folder")
