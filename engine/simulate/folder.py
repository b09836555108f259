"""A folder of simulated cards: images, labels.csv, truth.jsonl; made by several processes, gone on with after a stop.

What a folder is drawn from stands in recipe.json before the first picture. A card's pictures stand before its line of
truth, lines stand in the cards' order, and the manifest is written from them: so a folder that was left at any moment
is gone on with, and whoever finishes it, in however many processes, leaves the same bytes.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2

from engine.cards.pairs import COLUMNS
from engine.errors import BadInput
from engine.simulate.cards import COPIES, FOLDER, Recipe, Studio
from engine.simulate.wear.truth import BadTruth, CardTruth, read_truth
from engine.storage.atomic import aside

RECIPE, LABELS, TRUTH = "recipe.json", "labels.csv", "truth.jsonl"
FORMAT = 1  # of what is drawn: a folder begun by a version that draws otherwise is not gone on with
MANIFEST_EVERY = 200  # cards: so that a folder that is still filling can already be trained on


class BadFolder(BadInput):
    """A folder that cannot take these cards; the message names it and the remedy."""


@dataclass(frozen=True)
class Written:
    """A finished folder: its cards in order, and how many of them were made now."""

    cards: list[CardTruth]
    made: int


def write_cards(
    folder: Path,
    recipe: Recipe,
    pairs: int,
    *,
    workers: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Written:
    """Fill a folder with the first `pairs` cards of a recipe, or finish filling it.

    progress  told how many cards stand of how many, at each new one
    raises    BadFolder where the folder holds cards of another recipe, or more cards
    """
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    _claim(folder, recipe)
    cards = _standing(folder)
    if len(cards) > pairs:
        raise BadFolder(f"{folder}: already holds {len(cards)} cards, more than {pairs}; choose another folder")
    first, made = len(cards), 0
    _write_manifest(folder, cards)
    with (folder / TRUTH).open("a", encoding="utf-8", newline="\n") as truth:
        for card in _made(folder, recipe, range(first, pairs), workers):
            truth.write(card.line() + "\n")
            truth.flush()
            cards.append(card)
            made += 1
            progress(len(cards), pairs)
            if made % MANIFEST_EVERY == 0:
                _write_manifest(folder, cards)
    _write_manifest(folder, cards)
    return Written(cards, made)


def recipe_words(recipe: Recipe) -> dict[str, Any]:
    """A recipe as recipe.json has it; pictures by their content."""
    return {
        "format": FORMAT,
        "seed": recipe.seed,
        "mix": recipe.mix,
        "noise": recipe.noise,
        "kinds": {kind: share for kind, share in recipe.kinds if share > 0},
        "height": recipe.height,
        "graded_on": recipe.graded_on.isoformat(),
        "art": [hashlib.sha256(picture.tobytes()).hexdigest()[:16] for picture in recipe.sources],
    }


def _claim(folder: Path, recipe: Recipe) -> None:
    """Write down what the folder is drawn from, or see that it is this."""
    path, words = folder / RECIPE, recipe_words(recipe)
    if not path.exists():
        if (folder / TRUTH).exists() or (folder / LABELS).exists():
            raise BadFolder(f"{folder}: already holds a {LABELS} of other cards; choose another folder")
        _put(path, (json.dumps(words, indent=2) + "\n").encode())
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadFolder(f"{path}: cannot be read ({error}); choose another folder") from error
    for key, value in words.items():
        held = before.get(key) if isinstance(before, dict) else None
        if held != value:
            raise BadFolder(f"{folder}: holds cards drawn with {key} {held}, not {value}; choose another folder")


def _standing(folder: Path) -> list[CardTruth]:
    """The cards whose truth is written; a line cut short, by a stop in the midst of it, is dropped."""
    path = folder / TRUTH
    if not path.exists():
        return []
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        _put(path, whole)
    cards = read_truth(path)
    for index, card in enumerate(cards):
        if card.seeds.index != index:
            raise BadTruth(f"{path}:{index + 1}: is card {card.seeds.index}; choose another folder")
    return cards


def _put(path: Path, content: bytes) -> None:
    """A file is there as a whole or not at all."""
    with aside(path) as part:
        part.write_bytes(content)


def _write_manifest(folder: Path, cards: Sequence[CardTruth]) -> None:
    """labels.csv with paths relative to itself, so that the folder can be moved."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for card in cards:
        row = {"card_id": card.card_id, "front": card.front.picture, "back": card.back.picture, "grade": card.label}
        known = {"group": card.group, "game": card.game, "notes": f"simulated {card.kind}, {card.layout}"}
        writer.writerow(row | known)
    _put(folder / LABELS, text.getvalue().encode())


def _made(folder: Path, recipe: Recipe, indexes: range, workers: int) -> Iterator[CardTruth]:
    """Make the cards of those indexes, their pictures written; in order, in that many processes."""
    batches = _by_design(indexes)
    if workers <= 1 or len(batches) <= 1:
        _begin(recipe)
        for batch in batches:
            yield from _make(folder, batch)
        return
    with _pool(recipe, min(workers, len(batches))) as pool:
        for made in pool.map(_make, [folder] * len(batches), batches):
            yield from made


@contextmanager
def _pool(recipe: Recipe, workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes started afresh, as on every system; what is not begun when we leave is not begun."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_process, initargs=(recipe,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _by_design(indexes: range) -> list[list[int]]:
    """Cards of one design together: it is drawn once."""
    batches: dict[int, list[int]] = {}
    for index in indexes:
        batches.setdefault(index // COPIES, []).append(index)
    return list(batches.values())


@cache
def _studios() -> list[Studio]:
    """This process's studio, put there when it begins."""
    return []


def _begin(recipe: Recipe) -> None:
    cv2.setNumThreads(1)  # a process a core: threads within them would only wait for each other
    _studios()[:] = [Studio(recipe)]


def _begin_process(recipe: Recipe) -> None:
    """Begin in a process of the pool: it leaves a stop from the keyboard to its parent, and ends when that is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _begin(recipe)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # nobody is left who could take what is being drawn


def _make(folder: Path, indexes: Sequence[int]) -> list[CardTruth]:
    """Draw cards and write their pictures; returns their truth."""
    cards = []
    for index in indexes:
        card = _studios()[0].card(index)
        _put(folder / card.truth.front.picture, card.front.jpeg())
        _put(folder / card.truth.back.picture, card.back.jpeg())
        cards.append(card.truth)
    return cards
