"""`pace`, for the app: measure the pace of a run's settings on this machine, in a process that can be killed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine import config as configuration
from engine.cards.pairs import CardPair
from engine.training.pace import measure_pace


def run(folder: Path) -> dict[str, Any]:
    """Measure what `folder`/request.json asks for, {config, cards: [[front, back, grade], ...]}, within the folder."""
    request = json.loads((folder / "request.json").read_bytes())
    pairs = [
        CardPair(f"card {number}", front and Path(front), back and Path(back), grade)
        for number, (front, back, grade) in enumerate(request["cards"])
    ]
    work = folder / "work"
    work.mkdir()
    return asdict(measure_pace(configuration.from_saved(request["config"]), pairs, work))
