"""Stronger predictions: several views of a card, several seeds' models, one model that learned from several."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from app.commands import evaluating
from app.experiments import Said
from app.settings import DataFolder
from benchmarks.evidence import simulated
from benchmarks.evidence.collection import collected
from benchmarks.evidence.figures import over_seeds
from benchmarks.evidence.ledger import Way, model_of, on_test, trained
from db.schema import Run
from engine.comparison import common_cards, difference, holm
from engine.predictions import Predictions

VIEWS = (2, 4, 8)
OURS = next(way for way in simulated.WAYS if way.name == simulated.OURS)


def run(folder: Path) -> dict[str, Any]:
    """Measure each against the single models; returns what stronger.json then holds, both mixes at once."""
    data = collected(folder)
    single = [trained(data, OURS, seed, simulated.SHARED) for seed in simulated.SEEDS]
    said = [on_test(data, each) for each in single]
    ways = {f"{views} views": (views, [on_test(data, each, views) for each in single]) for views in VIEWS}
    # Paired with each of its members in turn: it is one, and they are what chance would have given instead.
    ways["ensemble"] = (len(said), [_mean(said)] * len(said))
    ways["ensemble, 4 views"] = (4 * len(said), [_mean(ways["4 views"][1])] * len(said))
    ways["distilled"] = (1, [on_test(data, each) for each in _students(data, single)])
    found = _rows({"single": (1, said), **ways})
    (folder / "stronger.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return found


def _students(data: DataFolder, teachers: Sequence[Run]) -> list[Run]:
    """Runs like the teachers', a seed each, that learn towards all of them."""
    words = [data.run_folder(teacher.id) / "train.csv" for teacher in teachers]
    for teacher, word in zip(teachers, words, strict=True):
        if not word.exists():
            evaluating.run(data, str(model_of(data, teacher)), None, "train", word)
    return [
        trained(
            data,
            Way(
                "distilled",
                OURS.recipe,
                {"teachers": ",".join(map(str, words))},
                Said(parent=str(teacher.id), hypothesis="one model learns what three together know"),
            ),
            seed,
            simulated.SHARED,
        )
        for teacher, seed in zip(teachers, simulated.SEEDS, strict=True)
    ]


def _rows(ways: dict[str, tuple[int, list[Predictions]]]) -> dict[str, Any]:
    """By way: how often a network looks at a card, the figures, and their difference to the single models'."""
    cards = common_cards([each for _, said in ways.values() for each in said])
    of_cards = {name: [each.of_cards(cards) for each in said] for name, (_, said) in ways.items()}
    less = {name: difference(said, of_cards["single"]) for name, said in of_cards.items() if name != "single"}
    adjusted = dict(zip(less, holm([each.p for each in less.values()]), strict=True))
    return {
        "n": len(cards),
        "seeds": list(simulated.SEEDS),
        "ways": {
            name: {
                "looks": ways[name][0],
                "figures": over_seeds(said),
                "less": {**asdict(less[name]), "p_holm": adjusted[name]} if name in less else None,
            }
            for name, said in of_cards.items()
        },
    }


def _mean(said: Sequence[Predictions]) -> Predictions:
    cards = common_cards(said)
    probabilities = np.mean([each.of_cards(cards).probabilities for each in said], axis=0)
    return replace(said[0].of_cards(cards), probabilities=probabilities)
