"""`simulate`: write a folder of simulated cards with known ground truth."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from app.settings import UserError
from app.terminal import ProgressMeter
from engine.cards.grades import GRADES
from engine.evaluation.metrics import confusion, qwk
from engine.image.read import SUFFIXES, read_picture
from engine.simulate.cards import CAPTURE_KINDS, SimulationConfig
from engine.simulate.folder import LABELS_FILE, TRUTH_FILE, write_cards
from engine.simulate.mix import best_agreement
from engine.simulate.wear.truth import CaptureKind, CardTruth

__all__ = ["FolderOptions", "SimulationConfig", "run"]

MAX_ART_PICTURES = 60  # the user's pictures for card fronts; all are kept in memory


class FolderOptions(NamedTuple):
    """Options of a folder of simulated cards beside their settings.

    kinds    "" for the default mix, or weights: "scan,photo" or "scan=3,slab=1"
    art      folder of the user's pictures for card fronts
    workers  processes; 0: one per CPU core
    """

    pairs: int
    kinds: str = ""
    art: Path | None = None
    workers: int = 0


def run(out: Path, config: SimulationConfig, options: FolderOptions) -> dict[str, Any]:
    """Simulate cards; returns paths, counts, speed, and the QWK that labels with this noise can reach."""
    config = replace(
        config,
        kinds=_parse_kinds(options.kinds) or config.kinds,
        sources=_read_art(options.art, max_side_px=2 * config.height),
    )
    workers = options.workers or os.cpu_count() or 1
    meter, began = ProgressMeter(), time.perf_counter()
    written = write_cards(
        out, config, options.pairs, workers=workers, progress=lambda done, total: meter("cards", done, total)
    )
    seconds = time.perf_counter() - began
    return {
        "out": str(out.absolute()),
        "manifest": str((out / LABELS_FILE).absolute()),
        "truth": str((out / TRUTH_FILE).absolute()),
        "pairs": len(written.cards),
        "made": written.new_count,
        "seconds": seconds,
        "pairs_per_second": written.new_count / seconds if written.new_count else None,
        "workers": workers,
        "mix": config.mix,
        **_counts(written.cards),
        "noise": {
            "standard_deviation": config.noise,
            "best": best_agreement(config.mix, config.noise),
            "here": _agreement(written.cards),
        },
    }


def _counts(cards: Sequence[CardTruth]) -> dict[str, Any]:
    """Number of cards per grade, per label and per kind of picture."""
    return {
        "grades": {grade: sum(card.grade == grade for card in cards) for grade in GRADES},
        "labels": {grade: sum(card.label == grade for card in cards) for grade in GRADES},
        "kinds": dict(Counter(card.kind for card in cards)),
    }


def _agreement(cards: Sequence[CardTruth]) -> dict[str, Any]:
    """Agreement of the cards' noisy labels with their true grades."""
    grades = np.array([card.grade for card in cards])
    labels = np.array([card.label for card in cards])
    return {
        "qwk": qwk(confusion(grades, labels)),
        "exact": float((grades == labels).mean()),
        "within_one": float((np.abs(grades - labels) <= 1).mean()),
    }


def _parse_kinds(text: str) -> tuple[tuple[CaptureKind, float], ...]:
    """Parse the option --kinds into probabilities of the capture kinds, which sum to 1. Raises UserError."""
    weights: dict[CaptureKind, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, weight = part.partition("=")
        kind = next((kind for kind in CAPTURE_KINDS if kind == name), None)
        if kind is None:
            raise UserError(f"--kinds: unknown kind {name!r}; choose from {', '.join(CAPTURE_KINDS)}")
        try:
            weights[kind] = float(weight or 1)
        except ValueError as error:
            raise UserError(
                f"--kinds: the weight {weight!r} of {name} is not a number; write for example scan=3,photo=1"
            ) from error
    total = sum(weights.values())
    if weights and not (total > 0 and all(0 <= weight < float("inf") for weight in weights.values())):
        raise UserError(f"--kinds {text}: the weights must be 0 or more, and at least one above 0")
    return tuple((kind, weights[kind] / total) for kind in CAPTURE_KINDS if kind in weights)


def _read_art(folder: Path | None, *, max_side_px: int) -> tuple[np.ndarray, ...]:
    """Read the user's pictures for card fronts, sorted by name and scaled down to `max_side_px`.

    Raises UserError if the folder holds none.
    """
    if folder is None:
        return ()
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give a folder of pictures with --art")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)[:MAX_ART_PICTURES]
    if not paths:
        raise UserError(f"{folder} holds no pictures; add some, or omit --art")
    return tuple(_scale_down(read_picture(path), max_side_px) for path in paths)


def _scale_down(rgb: np.ndarray, max_side_px: int) -> np.ndarray:
    """Scale a picture down: every process keeps all of them in memory."""
    picture = Image.fromarray(rgb)
    picture.thumbnail((max_side_px, max_side_px), Image.Resampling.BOX)
    return np.asarray(picture)
