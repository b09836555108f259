"""What a long command has found, kept in its folder as JSON: told again where it stands, made where it does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.storage.atomic import aside


def once(path: Path, make: Callable[[], Any]) -> Any:
    """What the file holds; made and written where there is none."""
    if not path.is_file():
        write(path, make())
    return read(path)


def write(path: Path, found: Any) -> None:
    """Write it: the file is at every moment the old one or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with aside(path) as part:
        part.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def read(path: Path) -> Any:
    """What was written."""
    return json.loads(path.read_text(encoding="utf-8"))


def same_plan(plan: Any, path: Path) -> None:
    """Keep the plan that a folder is filled by. Ends the program where the folder is filled by another."""
    told = json.loads(json.dumps(plan))
    if once(path, lambda: told) != told:
        raise SystemExit(f"{path.parent} is filled by another plan ({path.name}); give another folder")
