"""One warm grading of a pair, without maps, against the former way: sides one after another, and a small network."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.harness import Row, interleaved_medians
from engine import starter
from engine.cards.pairs import CardPair, read_manifest
from engine.inference.card_side import open_side
from engine.inference.grade_card import grade_card
from engine.inference.load_model import LoadedModel, load_model, open_grader
from engine.inference.predict import Prediction, build_inputs, predict
from engine.model.dual_branch import DualBranch
from engine.recipes import recipe_config
from engine.simulate.cards import SimulationConfig
from engine.simulate.folder import LABELS_FILE, write_cards
from engine.storage import checkpoint

ROUNDS = 7
PAIRS = 3
# The network of the starter until it was trained on real cards; which weights it has costs no time.
FORMER = {"back_encoder": "resnet18", "image_size": 160}


def measure() -> list[Row]:
    """Median over rounds of grading the same simulated pairs, one after another."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_cards(folder, SimulationConfig(seed=5, height=1050), PAIRS, workers=1, progress=lambda done, total: None)
        pairs = read_manifest(folder / LABELS_FILE).pairs
        former, starter_model = _former_model(folder / "former.pt"), open_grader(starter.MODEL)
        medians = interleaved_medians(
            {
                "now": lambda: [
                    grade_card(pair.front, pair.back, starter_model, with_saliency=False) for pair in pairs
                ],
                "before": lambda: [_grade_as_before(pair, former) for pair in pairs],
            },
            rounds=ROUNDS,
        )
    return [
        Row(
            "grading a pair with the starter",
            "sides one after another, former network",
            medians["now"] / medians["before"],
            ROUNDS,
            at_most=1.0,
        )
    ]


def _grade_as_before(pair: CardPair, model: LoadedModel) -> Prediction:
    front, back = (open_side(path) for path in (pair.front, pair.back) if path is not None)
    for side in (front, back):
        assert side.quality, "measured as for every card"
        assert side.measurements, "measured as for every card"
    return predict(model, build_inputs(model, front, back))


def _former_model(path: Path) -> LoadedModel:
    config = recipe_config("loupe", FORMER)
    content = {"name": "former", "config": config.model_dump(), "phase": 2, "sides": [True, True]}
    checkpoint.save(path, {**content, "trained_on": "", "summary": {}, "model": DualBranch(config).state_dict()})
    return load_model(path, "cpu")
