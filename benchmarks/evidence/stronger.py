"""Stronger predictions: several views of a card, several seeds' models, one model that learned from several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.experiments import Said
from app.settings import DataFolder
from benchmarks.evidence.collection import collected
from benchmarks.evidence.figures import mean, over_seeds
from benchmarks.evidence.ledger import Way, said_by, trained, words_of
from benchmarks.evidence.simulated import OURS, SEEDS, SMALL, Size, ours
from benchmarks.kept import write
from db.schema import Run
from engine.comparison import common_cards, difference, holm
from engine.predictions import Predictions

VIEWS = (2, 4, 8)


@dataclass(frozen=True)
class Stronger:
    """A way to grade with models that are there.

    said            of the test cards, one a seed
    trained, stored how many models were trained for it, and how many it takes along
    looks           how often a network reads a card
    """

    said: list[Predictions]
    trained: int
    stored: int
    looks: int


def run(folder: Path, size: Size = SMALL) -> dict[str, Any]:
    """Measure each against the single models; returns what stronger.json then holds, both mixes at once."""
    data = collected(folder, size.parts)
    single = ours(data, size)
    count = len(single)
    said = [said_by(data, each, "test") for each in single]
    viewed = {views: [said_by(data, each, "test", views) for each in single] for views in VIEWS}
    ways = {"single": Stronger(said, 1, 1, 1)}
    ways |= {f"{views} views": Stronger(each, 1, 1, views) for views, each in viewed.items()}
    # Paired with each of its members in turn: it is one, and they are what chance would have given instead.
    ways["ensemble"] = Stronger([mean(said)] * count, count, count, count)
    for views, each in viewed.items():
        ways[f"ensemble, {views} views"] = Stronger([mean(each)] * count, count, count, count * views)
    distilled = [said_by(data, each, "test") for each in _students(data, single, size)]
    ways["distilled from the ensemble"] = Stronger(distilled, count + 1, 1, 1)
    found = _rows(ways)
    write(folder / "stronger.json", found)
    return found


def _students(data: DataFolder, teachers: Sequence[Run], size: Size) -> list[Run]:
    """Runs like the teachers', a seed each, that learn towards all of them."""
    words = ",".join(str(words_of(data, teacher, "train")) for teacher in teachers)
    students = []
    for teacher, seed in zip(teachers, SEEDS, strict=True):
        said = Said(parent=str(teacher.id), hypothesis="one model learns what several together know")
        students.append(trained(data, Way("distilled", OURS, {"teachers": words}, said), seed, size.settings))
    return students


def _rows(ways: dict[str, Stronger]) -> dict[str, Any]:
    """By way its costs and figures, and what it gains on the single models."""
    cards = common_cards([each for way in ways.values() for each in way.said])
    said = {name: [each.of_cards(cards) for each in way.said] for name, way in ways.items()}
    less = {name: difference(each, said["single"]) for name, each in said.items() if name != "single"}
    adjusted = dict(zip(less, holm([each.p for each in less.values()]), strict=True))
    return {
        "n": len(cards),
        "seeds": list(SEEDS),
        "ways": {
            name: {
                **{cost: getattr(way, cost) for cost in ("trained", "stored", "looks")},
                "figures": over_seeds(said[name]),
                "less": {**asdict(less[name]), "p_holm": adjusted[name]} if name in less else None,
            }
            for name, way in ways.items()
        },
    }
