"""Four recipes and the rubric on cards whose truth is known: three seeds each, judged on a sealed test of two mixes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.experiments import Said
from benchmarks.evidence.collection import NOISE, collected, mix_of
from benchmarks.evidence.figures import over_seeds
from benchmarks.evidence.ledger import Way, figures_on_test, on_test, trained
from benchmarks.evidence.rubric import by_rubric
from engine.comparison import common_cards, difference, holm
from engine.predictions import Predictions
from engine.simulate.mix import Mix, best_agreement
from labeling.snapshot import pairs_from_manifest

SEEDS = (1, 2, 3)
SHARED: dict[str, Any] = {"image_size": 128, "phase2_epochs": 12, "precision": "bf16", "device": "cpu"}
SIZE = Said(bundle="the recipe as it is, at a size that two cores train in minutes")
OURS, OTHERS = "loupe", ("baseline", "ordinal", "four_at_once")
WAYS = tuple(Way(name, name, {}, SIZE) for name in ("baseline", "ordinal", OURS, "four_at_once"))
MIXES: tuple[Mix, ...] = ("history", "uniform")


def run(folder: Path) -> dict[str, Any]:
    """Train, judge and compare; returns what simulated.json then holds.

    That is a table a mix, and what the certainty of our first seed was worth on both.
    """
    data = collected(folder)
    said: dict[str, list[Predictions]] = {}
    for seed in SEEDS:  # a seed of every way before the next: whoever stops half-way has pairs to compare
        for way in WAYS:
            said.setdefault(way.name, []).append(on_test(data, trained(data, way, seed, SHARED)))
    pairs = [pair for pair in pairs_from_manifest(folder / "cards.csv").pairs if pair.split == "test"]
    said["rubric"] = [by_rubric(pairs, folder / "rubric.csv")]
    found: dict[str, Any] = {mix: _table(said, mix) for mix in MIXES}
    ours = next(way for way in WAYS if way.name == OURS)
    found["certainty"] = figures_on_test(data, trained(data, ours, SEEDS[0], SHARED))
    (folder / "simulated.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return found


def _table(said: dict[str, list[Predictions]], mix: Mix) -> dict[str, Any]:
    """One mix: the ceiling, every way's figures, and ours less each other with p-values after Holm."""
    of_mix = {name: _of_mix(each, mix) for name, each in said.items()}
    compared = {other: difference(of_mix[OURS], of_mix[other]) for other in OTHERS}
    adjusted = holm([each.p for each in compared.values()])
    return {
        "n": len(of_mix[OURS][0].cards),
        "seeds": list(SEEDS),
        "noise": NOISE,
        "ceiling": best_agreement(mix, NOISE),
        "ways": {name: over_seeds(each) for name, each in of_mix.items()},
        "less": {
            other: {**asdict(each), "p_holm": p} for (other, each), p in zip(compared.items(), adjusted, strict=True)
        },
    }


def _of_mix(said: Sequence[Predictions], mix: Mix) -> list[Predictions]:
    """The cards of a mix that every one of the runs has judged."""
    cards = [card for card in common_cards(said) if mix_of(card) == mix]
    return [each.of_cards(cards) for each in said]
