"""Folder of simulated cards: images, labels.csv and truth.jsonl, written by several processes and resumable.

recipe.json, the configuration, is written before the first picture. A card's pictures are written before its line in
truth.jsonl, the lines follow the order of the cards, and the manifest is derived from them. So an interrupted folder
can always be resumed, and the finished folder has the same bytes for any number of processes.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2

from engine.cards.pairs import COLUMNS
from engine.errors import BadInput
from engine.process_pool import spawn_pool
from engine.simulate.cards import CARDS_PER_DESIGN, PICTURE_FOLDER, CardSimulator, SimulationConfig
from engine.simulate.wear.truth import BadTruth, CardTruth, read_truth
from engine.storage.atomic import write_bytes
from engine.storage.disk_space import translate_disk_full

CONFIG_FILE, LABELS_FILE, TRUTH_FILE = "recipe.json", "labels.csv", "truth.jsonl"
FORMAT_VERSION = 1  # increased when the drawing changes: a folder begun by another version cannot be resumed
MANIFEST_INTERVAL = 200  # cards between writes: training can start on a folder that is not yet complete


class BadFolder(BadInput):
    """A folder that cannot hold these cards; the message names the folder and the remedy."""


@dataclass(frozen=True)
class FinishedFolder:
    """A finished folder: its cards in order, and the number of cards added by this call."""

    cards: list[CardTruth]
    new_count: int


def write_cards(
    folder: Path,
    config: SimulationConfig,
    card_count: int,
    *,
    workers: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FinishedFolder:
    """Fill a folder with the first `card_count` cards of a configuration, or resume an interrupted folder.

    progress  called after each new card with the number of finished cards and `card_count`
    raises    BadFolder if the folder contains cards of another configuration, or more cards; DiskFull
    """
    (folder / PICTURE_FOLDER).mkdir(parents=True, exist_ok=True)
    _claim_folder(folder, config)
    cards = _existing_cards(folder)
    if len(cards) > card_count:
        raise BadFolder(f"{folder}: already contains {len(cards)} cards, more than {card_count}; choose another folder")
    start, new_count = len(cards), 0
    _write_manifest(folder, cards)
    truth_file = folder / TRUTH_FILE
    with translate_disk_full(truth_file), truth_file.open("a", encoding="utf-8", newline="\n") as truth:
        for card in _simulate_cards(folder, config, range(start, card_count), workers):
            truth.write(card.to_json_line() + "\n")
            truth.flush()
            cards.append(card)
            new_count += 1
            progress(len(cards), card_count)
            if new_count % MANIFEST_INTERVAL == 0:
                _write_manifest(folder, cards)
    _write_manifest(folder, cards)
    return FinishedFolder(cards, new_count)


def config_json(config: SimulationConfig) -> dict[str, Any]:
    """A configuration as written to recipe.json; pictures are identified by a hash of their pixels."""
    return {
        "format": FORMAT_VERSION,
        "seed": config.seed,
        "mix": config.mix,
        "noise": config.noise,
        "kinds": {kind: weight for kind, weight in config.kinds if weight > 0},
        "height": config.height,
        "graded_on": config.graded_on.isoformat(),
        "art": [hashlib.sha256(picture.tobytes()).hexdigest()[:16] for picture in config.sources],
    }


def _claim_folder(folder: Path, config: SimulationConfig) -> None:
    """Write recipe.json, or check that the existing one has the same settings."""
    path, settings = folder / CONFIG_FILE, config_json(config)
    if not path.exists():
        if (folder / TRUTH_FILE).exists() or (folder / LABELS_FILE).exists():
            raise BadFolder(f"{folder}: already contains a {LABELS_FILE} of other cards; choose another folder")
        write_bytes(path, (json.dumps(settings, indent=2) + "\n").encode())
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadFolder(f"{path}: cannot be read ({error}); choose another folder") from error
    for key, value in settings.items():
        stored_value = stored.get(key) if isinstance(stored, dict) else None
        if stored_value != value:
            raise BadFolder(
                f"{folder}: contains cards simulated with {key} {stored_value}, not {value}; choose another folder"
            )


def _existing_cards(folder: Path) -> list[CardTruth]:
    """Cards already in truth.jsonl; an incomplete last line, left by an interruption, is removed."""
    path = folder / TRUTH_FILE
    if not path.exists():
        return []
    content = path.read_bytes()
    complete = content[: content.rfind(b"\n") + 1]
    if complete != content:
        write_bytes(path, complete)
    cards = read_truth(path)
    for index, card in enumerate(cards):
        if card.seeds.index != index:
            raise BadTruth(
                f"{path}:{index + 1}: expected card {index}, found card {card.seeds.index}; choose another folder"
            )
    return cards


def _write_manifest(folder: Path, cards: Sequence[CardTruth]) -> None:
    """Write labels.csv, with relative paths so that the folder can be moved."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for card in cards:
        row = {"card_id": card.card_id, "front": card.front.picture, "back": card.back.picture, "grade": card.label}
        details = {"group": card.group, "game": card.game, "notes": f"simulated {card.kind}, {card.layout}"}
        writer.writerow(row | details)
    write_bytes(folder / LABELS_FILE, text.getvalue().encode())


def _simulate_cards(folder: Path, config: SimulationConfig, indices: range, workers: int) -> Iterator[CardTruth]:
    """Simulate cards in several processes and write their pictures; yields their ground truth in order."""
    batches = _batches_by_design(indices)
    if workers <= 1 or len(batches) <= 1:
        _start_simulator(config)
        for batch in batches:
            yield from _simulate_batch(folder, batch)
        return
    with spawn_pool(min(workers, len(batches)), initializer=_start_simulator, arguments=(config,)) as pool:
        for truths in pool.map(_simulate_batch, [folder] * len(batches), batches):
            yield from truths


def _batches_by_design(indices: range) -> list[list[int]]:
    """Group the cards by design, so that each design is drawn once."""
    batches: dict[int, list[int]] = {}
    for index in indices:
        batches.setdefault(index // CARDS_PER_DESIGN, []).append(index)
    return list(batches.values())


@cache
def _simulators() -> list[CardSimulator]:
    """This process's simulator, set when the process starts."""
    return []


def _start_simulator(config: SimulationConfig) -> None:
    cv2.setNumThreads(1)  # one process per core: more threads would only compete for the cores
    _simulators()[:] = [CardSimulator(config)]


def _simulate_batch(folder: Path, indices: Sequence[int]) -> list[CardTruth]:
    """Simulate cards and write their pictures; returns their ground truth."""
    cards = []
    for index in indices:
        card = _simulators()[0].card(index)
        write_bytes(folder / card.truth.front.picture, card.front.jpeg())
        write_bytes(folder / card.truth.back.picture, card.back.jpeg())
        cards.append(card.truth)
    return cards
