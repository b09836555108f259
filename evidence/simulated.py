"""The recipes and the rubric on cards whose truth is known: three seeds each, judged on a sealed test of two mixes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.runs.plan_input import Said
from app.settings import DataFolder
from db.schema import Run
from engine.evaluation.comparison import common_cards
from engine.evaluation.predictions import Predictions
from engine.recipes import RECIPES
from engine.simulate.mix import Mix, best_agreement
from evidence import collection
from evidence.cached_json import write
from evidence.collection import NOISE, Part, collected, mix_of
from evidence.figures import differences, over_seeds
from evidence.ledger import Way, evaluated, said_by, trained
from evidence.rubric import by_rubric
from labeling.snapshot import pairs_from_manifest

SEEDS = (1, 2, 3)
OURS, RUBRIC = "loupe", "rubric, nothing learned"
MIXES: tuple[Mix, ...] = ("history", "uniform")


@dataclass(frozen=True)
class Size:
    """How much is trained.

    recipes   in their order
    settings  what every run is told beside its recipe
    larger    a picture size in pixels at which `stronger` tries our recipe too; None: there is no time for it
    """

    parts: tuple[Part, ...]
    recipes: tuple[str, ...]
    settings: Mapping[str, Any]
    larger: int | None = None

    def ways(self) -> dict[str, Way]:
        """Every recipe as it is, at this size."""
        said = Said(bundle="the recipe as it is, at another size")
        return {name: Way(name, name, {}, said) for name in self.recipes}


# A quarter of an hour a run on one core.
SMALL = Size(
    collection.SMALL,
    ("baseline", "ordinal", OURS, "four_at_once"),
    {"image_size": 128, "phase2_epochs": 12, "precision": "bf16", "device": "cpu"},
)
# For a GPU.
FULL = Size(collection.FULL, tuple(RECIPES), {"image_size": 384, "phase2_epochs": 30}, larger=448)


def run(folder: Path, size: Size = SMALL) -> dict[str, Any]:
    """Train, judge and compare; returns what simulated.json then holds.

    That is a table a mix, and what the certainty of our first seed was worth on both mixes together.
    """
    data = collected(folder, size.parts)
    said: dict[str, list[Predictions]] = {}
    for seed in SEEDS:  # a seed of every recipe before the next: whoever stops half-way has pairs to compare
        for name, way in size.ways().items():
            said.setdefault(name, []).append(said_by(data, trained(data, way, seed, size.settings), "test"))
    pairs = pairs_from_manifest(folder / "cards.csv").pairs
    judged = by_rubric([pair for pair in pairs if pair.split == "test"], folder / "rubric.csv")
    said[RUBRIC] = [judged] * len(SEEDS)
    found: dict[str, Any] = {
        "told": {**size.settings, "cards to learn from": sum(pair.split == "train" for pair in pairs)},
        "seeds": list(SEEDS),
        **{mix: _table(said, mix) for mix in MIXES},
        "certainty": evaluated(data, ours(data, size)[0], "test"),
    }
    write(folder / "simulated.json", found)
    return found


def ours(data: DataFolder, size: Size) -> list[Run]:
    """The runs of our recipe, a seed each; trained where they are not."""
    return [trained(data, size.ways()[OURS], seed, size.settings) for seed in SEEDS]


def _table(said: Mapping[str, list[Predictions]], mix: Mix) -> dict[str, Any]:
    """One mix: the ceiling, every way's figures, and ours less each other."""
    own = of_mix(said, mix)
    return {
        "n": len(own[OURS][0].cards),
        "noise": NOISE,
        "ceiling": best_agreement(mix, NOISE),
        "ways": {name: over_seeds(each) for name, each in own.items()},
        "less": differences({name: (own[OURS], each) for name, each in own.items() if name != OURS}),
    }


def of_mix(said: Mapping[str, list[Predictions]], mix: Mix) -> dict[str, list[Predictions]]:
    """What every way's models say of the cards of a mix that all of them have judged."""
    cards = [card for card in common_cards([each for way in said.values() for each in way]) if mix_of(card) == mix]
    return {name: [each.of_cards(cards) for each in way] for name, way in said.items()}
