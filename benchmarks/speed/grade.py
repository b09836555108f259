"""One warm grading of a pair: the verdict, and all of it with measurements and maps, against what no way can save.

That is decoding both pictures and the bare forward pass of the network. Also against a former commit, with the starter
that it shipped.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from benchmarks.former import COMMIT, former_program
from benchmarks.harness import Row, interleaved_medians
from engine import starter
from engine.cards.pairs import read_manifest
from engine.image.read import read_picture
from engine.inference.grade_card import grade_card, open_card, predict_grade
from engine.inference.load_model import LoadedModel, open_grader
from engine.simulate.cards import SimulationConfig
from engine.simulate.folder import LABELS_FILE, write_cards

ROUNDS = 9
PAIRS = 3
FORMER_SCRIPT = """
import sys
from pathlib import Path
from app.grading import grade_card
from engine import starter
for line in sys.stdin:
    front, back, explained = line.rstrip("\\n").split("\\t")
    grade_card(Path(front), Path(back), starter.MODEL, explained=explained == "explained")
    print("graded", flush=True)
"""

Pair = tuple[Path, Path]


def measure() -> list[Row]:
    """Medians over rounds of grading the same simulated pairs, one after another."""
    model = open_grader(starter.MODEL)
    with tempfile.TemporaryDirectory() as name, former_program(FORMER_SCRIPT) as ask_former:
        pairs = _simulated_pairs(Path(name))

        def former(explained: str) -> None:
            for front, back in pairs:
                ask_former(f"{front}\t{back}\t{explained}")

        medians = interleaved_medians(
            {
                "bare": lambda: [_decode_and_forward(pair, model) for pair in pairs],
                "verdict": lambda: [predict_grade(open_card(*pair), model) for pair in pairs],
                "all": lambda: [grade_card(*pair, model) for pair in pairs],
                "former": lambda: former("not explained"),
                "former, all": lambda: former("explained"),
            },
            rounds=ROUNDS,
        )
    bare = "decoding both and the forward pass"
    return [
        Row("verdict of a pair", bare, medians["verdict"] / medians["bare"], ROUNDS, at_most=3.0),
        Row("with measurements and maps", bare, medians["all"] / medians["bare"], ROUNDS, at_most=8.0),
        Row(f"verdict at {COMMIT}", "verdict now", medians["former"] / medians["verdict"], ROUNDS, at_least=2.5),
        Row(f"all of it at {COMMIT}", "all of it now", medians["former, all"] / medians["all"], ROUNDS, at_least=2.0),
    ]


def _simulated_pairs(folder: Path) -> list[Pair]:
    write_cards(folder, SimulationConfig(seed=5, height=1050), PAIRS, workers=1, progress=lambda done, total: None)
    pairs = [(pair.front, pair.back) for pair in read_manifest(folder / LABELS_FILE).pairs]
    return [(front, back) for front, back in pairs if front is not None and back is not None]


def _decode_and_forward(pair: Pair, model: LoadedModel) -> None:
    for path in pair:
        read_picture(path)
    height, width = model.config.canvas_shape
    side = torch.zeros(1, 6 if model.config.channels == "six" else 3, height, width)
    with torch.inference_mode():
        model.network.card_maps(side, side, torch.ones(1, 2, dtype=torch.bool))
