"""Networks trained on real pairs, from the runs of `python -m tools.build_starter --work DIR/starter`.

Every figure is of cards that the network in question was not trained on: the open pairs out of fold, the sealed pairs,
and whole sources of pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from app.terminal import ProgressMeter
from engine.cards.folds import hash_order
from engine.cards.grades import GRADES
from engine.cards.pairs import CardPair
from engine.evaluation import predictions
from engine.evaluation.predictions import Predictions
from engine.image.read import BadPicture, read_picture
from engine.inference.grade_card import open_card, predict_grade
from engine.inference.load_model import LoadedModel, load_model
from evidence.cached_json import load_or_compute, write_json
from evidence.figures import mean_predictions, metrics_over_seeds
from evidence.frozen_features import Change
from evidence.real_sources import folds_of, open_and_sealed_pairs
from evidence.steps.real_pairs import (
    FOLDS,
    PHOTOGRAPHIC_CHANGES,
    SEEDS,
    control_predictions,
    gain_over_control,
)

# Each is encoded nine times.
CHANGED_PAIRS = 24
GIVEN = ("pair", "front", "back")
ACROSS = {
    "simulated, fronts and thumbnails -> pairs": "without-pairs",
    "simulated and pairs -> fronts": "pairs-only-fronts",
    "simulated and pairs -> thumbnails": "pairs-only-thumbnails",
}


def run(folder: Path) -> dict[str, Any]:
    """Compute the metrics; returns the content of real_networks.json. Raises SystemExit without the starter's runs."""
    work, parts = folder / "starter", folder / "real_networks"
    if not (work / f"fold{FOLDS - 1}-pair.csv").is_file():
        raise SystemExit(f"{work} has no finished runs; run python -m tools.build_starter --work {work} first")
    pairs, _ = open_and_sealed_pairs()
    out_of_fold = {
        given: Predictions.concatenate(predictions.read(work / f"fold{fold}-{given}.csv") for fold in range(FOLDS))
        for given in GIVEN
    }
    sealed = mean_predictions([predictions.read(work / f"fold{fold}-sealed.csv") for fold in range(FOLDS)])
    results = {
        "n": len(pairs),
        "out of fold": {given: metrics_over_seeds([run]) for given, run in out_of_fold.items()},
        "sealed": {"n": len(sealed.truth), "metrics": metrics_over_seeds([sealed])},
        "across": {name: metrics_over_seeds([predictions.read(work / f"{run}.csv")]) for name, run in ACROSS.items()},
        "control": load_or_compute(parts / "control.json", lambda: _control(pairs, out_of_fold["pair"])),
        "changes": load_or_compute(parts / "changes.json", lambda: _changes(pairs, work)),
    }
    write_json(folder / "real_networks.json", results)
    return results


def _control(pairs: Sequence[CardPair], network: Predictions) -> dict[str, Any]:
    """Gain of the network over the control for the photograph, on the same cards and folds."""
    cards = [pair.card_id for pair in pairs]
    expected = network.select_cards(cards).probabilities @ np.array(GRADES)
    return gain_over_control(pairs, [expected], [control_predictions(pairs, SEEDS[0])])


def _changes(pairs: Sequence[CardPair], work: Path) -> dict[str, Any]:
    """Change of the expected grade under photographic changes of the same pair: median and 95th percentile.

    The whole pictures are changed, and graded anew by the network's own probabilities: found, measured, encoded.
    """
    fold_of = dict(zip((pair.card_id for pair in pairs), folds_of(pairs, FOLDS, SEEDS[0]), strict=True))
    chosen = sorted(pairs, key=lambda pair: hash_order(pair.card_id, 1))[:CHANGED_PAIRS]
    models = [replace(load_model(work / f"fold{fold}" / "model.pt", "cpu"), calibration=None) for fold in range(FOLDS)]
    moves: dict[str, list[float]] = {name: [] for name in PHOTOGRAPHIC_CHANGES}
    refused, graded, meter = 0, 0, ProgressMeter()
    for done, pair in enumerate(chosen):
        model = models[fold_of[pair.card_id]]
        unchanged = _expected(model, pair, lambda rgb: rgb)
        if unchanged is not None:
            graded += 1
            for name, change in PHOTOGRAPHIC_CHANGES.items():
                grade = _expected(model, pair, change)
                if grade is None:
                    refused += 1
                else:
                    moves[name].append(abs(grade - unchanged))
        meter("changed photographs", done + 1, len(chosen))
    everything = np.concatenate(list(moves.values()))
    return {
        "n": graded,
        "refused": refused,
        "by change": {name: float(np.median(move)) for name, move in moves.items()},
        "median": float(np.median(everything)),
        "p95": float(np.percentile(everything, 95)),
    }


def _expected(model: LoadedModel, pair: CardPair, change: Change) -> float | None:
    """Expected grade of a pair whose pictures are changed; None if one is refused."""
    assert pair.front is not None, "open pairs have both sides"
    assert pair.back is not None, "open pairs have both sides"
    with TemporaryDirectory() as folder:
        front, back = (_changed(side, change, Path(folder) / f"{side.stem}.png") for side in (pair.front, pair.back))
        try:
            prediction = predict_grade(open_card(front, back), model).prediction
        except BadPicture:
            return None
    return None if prediction is None else prediction.expected


def _changed(picture: Path, change: Change, path: Path) -> Path:
    Image.fromarray(change(read_picture(picture))).save(path)
    return path
