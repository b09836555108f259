"""Stronger predictions: several views of a card, several seeds' models, one model that learned from several, larger
pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.runs.plan_input import Said
from app.settings import DataFolder
from db.schema import Run
from engine.evaluation.predictions import Predictions
from engine.simulate.mix import Mix
from evidence.cached_json import write
from evidence.collection import collected
from evidence.figures import differences, mean, over_seeds
from evidence.ledger import Way, said_by, trained, words_of
from evidence.simulated import MIXES, OURS, SEEDS, SMALL, Size, of_mix, ours

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
    """Measure each against the single models; returns what stronger.json then holds, a table a mix."""
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
    teachers = ",".join(str(words_of(data, each, "train")) for each in single)
    distilled = _like(data, single, size, "distilled", "one model learns what several together know", teachers=teachers)
    ways["distilled from the ensemble"] = Stronger(distilled, count + 1, 1, 1)
    if size.larger is not None:
        name, hypothesis = f"{size.larger} px", "larger pictures show what a grade hangs on"
        ways[name] = Stronger(_like(data, single, size, name, hypothesis, image_size=size.larger), 1, 1, 1)
    found = {"seeds": list(SEEDS), **{mix: _rows(ways, mix) for mix in MIXES}}
    write(folder / "stronger.json", found)
    return found


def _like(
    data: DataFolder, single: Sequence[Run], size: Size, name: str, hypothesis: str, **settings: Any
) -> list[Predictions]:
    """What runs like the single ones say of the test cards, a seed each, that are told something else."""
    told = []
    for run, seed in zip(single, SEEDS, strict=True):
        way = Way(name, OURS, settings, Said(parent=str(run.id), hypothesis=hypothesis))
        told.append(said_by(data, trained(data, way, seed, size.settings), "test"))
    return told


def _rows(ways: dict[str, Stronger], mix: Mix) -> dict[str, Any]:
    """By way its costs and figures on the cards of a mix, and what it gains on the single models."""
    said = of_mix({name: way.said for name, way in ways.items()}, mix)
    less = differences({name: (each, said["single"]) for name, each in said.items() if name != "single"})
    return {
        "n": len(said["single"][0].cards),
        "ways": {
            name: {
                **{cost: getattr(way, cost) for cost in ("trained", "stored", "looks")},
                "figures": over_seeds(said[name]),
                "less": less.get(name),
            }
            for name, way in ways.items()
        },
    }
