"""Memory of a process that grades many cards as the page does: it must not grow once everything is loaded."""

from __future__ import annotations

import gc
import statistics
import tempfile
from pathlib import Path

import psutil

from app.screens.card_layers import layers_value
from app.screens.line_editor_sides import editor_states
from app.screens.outline_editor import outline_value
from app.screens.verdict import verdict_html
from app.settings import DataFolder
from benchmarks.harness import Row, in_fresh_process
from engine import starter
from engine.cards.pairs import CardPair, read_manifest
from engine.inference.grade_card import grade_in_stages
from engine.inference.load_model import LoadedModel, open_grader
from engine.simulate.cards import SimulationConfig
from engine.simulate.folder import LABELS_FILE, write_cards

GRADINGS, LOADED_AFTER = 300, 50
# Medians over so many gradings: what a single one holds differs by its pictures.
WINDOW = 20
# Different cards, so that nothing that is kept for a card hides what is kept for each grading.
PAIRS, HEIGHT_PX = 15, 420


def measure() -> list[Row]:
    """Resident memory at the end of 300 gradings of small pictures, over that after the 50th."""
    with tempfile.TemporaryDirectory() as name:
        resident = in_fresh_process(resident_bytes, Path(name))
    early = statistics.median(resident[LOADED_AFTER : LOADED_AFTER + WINDOW])
    late = statistics.median(resident[-WINDOW:])
    return [Row("memory after 300 gradings", "after the 50th", late / early, len(resident), at_most=1.05)]


def resident_bytes(folder: Path, gradings: int = GRADINGS) -> list[int]:
    """Resident memory of this process after each grading."""
    config = SimulationConfig(seed=8, height=HEIGHT_PX)
    write_cards(folder, config, PAIRS, workers=1, progress=lambda done, total: None)
    pairs, model, data = read_manifest(folder / LABELS_FILE).pairs, open_grader(starter.MODEL), DataFolder(folder)
    process, resident = psutil.Process(), []
    for number in range(gradings):
        grade_as_the_page(pairs[number % len(pairs)], model, data)
        gc.collect()
        resident.append(process.memory_info().rss)
    return resident


def grade_as_the_page(pair: CardPair, model: LoadedModel, data: DataFolder) -> None:
    """All stages of a grading, with what the Grade tab shows of each."""
    for graded in grade_in_stages(pair.front, pair.back, model):
        verdict_html(graded)
        if graded.maps:
            layers_value(graded, data)
    editor_states(graded.sides, data)
    for name, side in graded.sides.items():
        if side is not None:
            outline_value(name, side, data)
