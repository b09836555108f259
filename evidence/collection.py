"""The simulated collection that evidence is gathered on: two mixes, a grader who errs, a ceiling that is known."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from app.commands import import_cards
from app.settings import DataFolder
from app.terminal import Meter
from engine.cards.pairs import CardPair, Split, read_manifest, write_manifest
from engine.simulate.cards import Recipe
from engine.simulate.folder import LABELS, write_cards
from engine.simulate.mix import Mix
from evidence.cached_json import same_plan

# Standard deviation of the grader's judgement, in grades: `best_agreement` tells what a perfect judge then reaches.
NOISE = 0.5
# Of a card in its picture, pixels: 12 px/mm, at which wear can be measured.
HEIGHT = 1050
# Of the groups of the cards to learn from, every eighth is validated on.
VALIDATED = 8


@dataclass(frozen=True)
class Part:
    """Cards of one seed: other seeds draw other designs, so that parts share none."""

    name: str
    mix: Mix
    pairs: int
    seed: int
    test: bool


SMALL = (
    Part("train_history", "history", 1150, 101, test=False),
    Part("train_uniform", "uniform", 1150, 102, test=False),
    Part("test_history", "history", 500, 201, test=True),
    Part("test_uniform", "uniform", 500, 202, test=True),
)
FULL = tuple(replace(part, pairs=1000 if part.test else 3500) for part in SMALL)


def collected(folder: Path, parts: Sequence[Part] = SMALL) -> DataFolder:
    """A data folder that holds the whole collection, each card with its split. A folder holds one collection."""
    same_plan({"parts": [asdict(part) for part in parts], "noise": NOISE, "height": HEIGHT}, folder / "plan.json")
    data = DataFolder(folder / "data")
    manifest = folder / "cards.csv"
    write_manifest(manifest, [pair for part in parts for pair in _cards(part, folder / part.name)])
    # Every time: what is known is passed over, and an import that was killed is made whole.
    import_cards.run(data, manifest, None)
    return data


def mix_of(card: str) -> Mix:
    """The mix that a card was drawn from, by its name."""
    return next(part.mix for part in SMALL if card.startswith(f"{part.name}-"))


def _cards(part: Part, folder: Path) -> list[CardPair]:
    meter = Meter()
    recipe = Recipe(seed=part.seed, mix=part.mix, noise=NOISE, height=HEIGHT)
    write_cards(
        folder,
        recipe,
        part.pairs,
        workers=os.cpu_count() or 1,
        progress=lambda done, total: meter(f"cards of {part.name}", done, total),
    )
    pairs = read_manifest(folder / LABELS).pairs
    place = {group: number for number, group in enumerate(sorted({pair.group_key for pair in pairs}))}

    def split(pair: CardPair) -> Split:
        if part.test:
            return "test"
        return "val" if place[pair.group_key] % VALIDATED == 0 else "train"

    return [
        replace(pair, card_id=f"{part.name}-{pair.card_id}", group=f"{part.name}-{pair.group_key}", split=split(pair))
        for pair in pairs
    ]
