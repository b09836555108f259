"""`simulate`: a folder of cards whose truth is known, to train, test and measure with."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from app.settings import Trouble
from app.terminal import Meter
from engine.cards.grades import GRADES
from engine.evaluation.metrics import confusion, qwk
from engine.image.read import SUFFIXES, read_picture
from engine.simulate.cards import KINDS, Recipe
from engine.simulate.folder import LABELS, TRUTH, write_cards
from engine.simulate.mix import Mix, best_agreement
from engine.simulate.wear.truth import CaptureKind, CardTruth

MOST_ART = 60  # pictures of a user's own: all are held in memory


def run(
    out: Path,
    *,
    pairs: int,
    seed: int,
    mix: Mix,
    noise: float,
    kinds: str,
    height: int,
    graded_on: date,
    art: Path | None,
    workers: int,
) -> dict[str, Any]:
    """Draw the cards, and say what came out: where, how many, how fast, the grades and the agreement they can reach.

    kinds    "" for the usual shares, or "scan,photo" or "scan=3,slab=1"
    workers  processes; 0 for one a core
    """
    recipe = Recipe(
        seed=seed,
        mix=mix,
        noise=noise,
        kinds=_shares(kinds) or Recipe(seed).kinds,
        height=height,
        graded_on=graded_on,
        sources=_pictures(art, most_px=2 * height),
    )
    meter, began = Meter(), time.perf_counter()
    workers = workers or os.cpu_count() or 1
    written = write_cards(out, recipe, pairs, workers=workers, progress=lambda done, total: meter("cards", done, total))
    seconds = time.perf_counter() - began
    return {
        "out": str(out.absolute()),
        "manifest": str((out / LABELS).absolute()),
        "truth": str((out / TRUTH).absolute()),
        "pairs": len(written.cards),
        "made": written.made,
        "seconds": seconds,
        "pairs_per_second": written.made / seconds if written.made else None,
        "workers": workers,
        "mix": mix,
        **_what_came_out(written.cards),
        "noise": {"standard_deviation": noise, "best": best_agreement(mix, noise), "here": _agreement(written.cards)},
    }


def _what_came_out(cards: Sequence[CardTruth]) -> dict[str, Any]:
    """How many cards there are of each grade, under each label and of each kind."""
    return {
        "grades": {grade: sum(card.grade == grade for card in cards) for grade in GRADES},
        "labels": {grade: sum(card.label == grade for card in cards) for grade in GRADES},
        "kinds": dict(Counter(card.kind for card in cards)),
    }


def _agreement(cards: Sequence[CardTruth]) -> dict[str, Any]:
    """How well the labels of these cards agree with their grades."""
    grades, labels = (np.array(each) for each in zip(*((card.grade, card.label) for card in cards), strict=True))
    return {
        "qwk": qwk(confusion(grades, labels)),
        "exact": float((grades == labels).mean()),
        "within_one": float((np.abs(grades - labels) <= 1).mean()),
    }


def _shares(words: str) -> tuple[tuple[CaptureKind, float], ...]:
    """The kinds of capture and how often each is drawn. Raises Trouble where they cannot be read."""
    shares: dict[CaptureKind, float] = {}
    for word in filter(None, (part.strip() for part in words.split(","))):
        name, _, weight = word.partition("=")
        kind = next((kind for kind in KINDS if kind == name), None)
        if kind is None:
            raise Trouble(f"--kinds knows no {name!r}; use some of {', '.join(KINDS)}, as in scan=3,photo=1")
        try:
            shares[kind] = float(weight or 1)
        except ValueError as error:
            raise Trouble(
                f"--kinds: {weight!r} is no weight of {name}; write a number, as in scan=3,photo=1"
            ) from error
    total = sum(shares.values())
    if shares and not (total > 0 and all(0 <= share < float("inf") for share in shares.values())):
        raise Trouble(f"--kinds {words} draws nothing; give at least one kind a weight above 0, and none below")
    return tuple((kind, shares[kind] / total) for kind in KINDS if kind in shares)


def _pictures(folder: Path | None, *, most_px: int) -> tuple[np.ndarray, ...]:
    """The pictures to show in place of drawn ones, in the order of their names, no side longer than that.

    Raises Trouble where there are none.
    """
    if folder is None:
        return ()
    if not folder.is_dir():
        raise Trouble(f"{folder} is no folder; name one that holds pictures with --art")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)[:MOST_ART]
    if not paths:
        raise Trouble(f"{folder} holds no pictures; put some there, or leave --art away")
    return tuple(_at_most(read_picture(path), most_px) for path in paths)


def _at_most(rgb: np.ndarray, most_px: int) -> np.ndarray:
    """Every process holds the pictures: none is kept larger than a card can show."""
    picture = Image.fromarray(rgb)
    picture.thumbnail((most_px, most_px), Image.Resampling.BOX)
    return np.asarray(picture)
