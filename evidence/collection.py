"""The simulated collection behind the evidence: two grade mixes, a noisy grader, a known ceiling."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from app.commands import import_cards
from app.settings import DataFolder
from app.terminal import ProgressMeter
from engine.cards.pairs import CardPair, Split, read_manifest, write_manifest
from engine.simulate.cards import SimulationConfig
from engine.simulate.folder import LABELS_FILE, write_cards
from engine.simulate.mix import GradeMix
from evidence.cached_json import require_same_plan

# Standard deviation of the grader's error, in grades; `best_agreement` gives the QWK of a perfect model under it.
NOISE = 0.5
# Height of a card in its picture, pixels: 12 px/mm, enough to measure wear.
CARD_HEIGHT_PX = 1050
# One in this many groups of the training parts is used for validation.
VALIDATION_EVERY = 8


@dataclass(frozen=True)
class Part:
    """Cards of one seed. Each seed gives other designs, so no design is in two parts."""

    name: str
    mix: GradeMix
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


def simulated_collection(folder: Path, parts: Sequence[Part] = SMALL) -> DataFolder:
    """Simulate and import the collection, each card with its split; returns its data folder.

    Raises SystemExit if the folder holds another collection.
    """
    plan = {"parts": [asdict(part) for part in parts], "noise": NOISE, "height": CARD_HEIGHT_PX}
    require_same_plan(plan, folder / "plan.json")
    data = DataFolder(folder / "data")
    manifest = folder / "cards.csv"
    write_manifest(manifest, [pair for part in parts for pair in _simulate(part, folder / part.name)])
    # Imported on every call: known cards are skipped, and an interrupted import is completed.
    import_cards.run(data, manifest, None)
    return data


def mix_of(card_id: str) -> GradeMix:
    """The grade mix of a card, by the part in its name."""
    return next(part.mix for part in SMALL if card_id.startswith(f"{part.name}-"))


def _simulate(part: Part, folder: Path) -> list[CardPair]:
    meter = ProgressMeter()
    config = SimulationConfig(seed=part.seed, mix=part.mix, noise=NOISE, height=CARD_HEIGHT_PX)
    write_cards(
        folder,
        config,
        part.pairs,
        workers=os.cpu_count() or 1,
        progress=lambda done, total: meter(f"cards of {part.name}", done, total),
    )
    pairs = read_manifest(folder / LABELS_FILE).pairs
    group_index = {group: index for index, group in enumerate(sorted({pair.group_key for pair in pairs}))}

    def split(pair: CardPair) -> Split:
        if part.test:
            return "test"
        return "val" if group_index[pair.group_key] % VALIDATION_EVERY == 0 else "train"

    return [
        replace(pair, card_id=f"{part.name}-{pair.card_id}", group=f"{part.name}-{pair.group_key}", split=split(pair))
        for pair in pairs
    ]
