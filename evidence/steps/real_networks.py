"""Networks trained on real pairs, from the runs of `python -m tools.build_starter --work DIR/starter`.

Every figure is of cards that the network in question was not trained on: the open pairs out of fold, the sealed pairs,
and whole sources of pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from app.terminal import ProgressMeter
from engine.cards.folds import hash_order
from engine.cards.grades import GRADES
from engine.cards.pairs import CardPair
from engine.data.inputs import model_input
from engine.detection.read_and_find import canvas_from_picture
from engine.evaluation import predictions
from engine.evaluation.predictions import Predictions
from engine.image.detection import NoCard
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
    """Change of the expected grade under photographic changes of the same pair: median and 95th percentile."""
    fold_of = dict(zip((pair.card_id for pair in pairs), folds_of(pairs, FOLDS, SEEDS[0]), strict=True))
    chosen = sorted(pairs, key=lambda pair: hash_order(pair.card_id, 1))[:CHANGED_PAIRS]
    models = [load_model(work / f"fold{fold}" / "model.pt", "cpu") for fold in range(FOLDS)]
    moves: dict[str, list[float]] = {name: [] for name in PHOTOGRAPHIC_CHANGES}
    meter = ProgressMeter()
    for done, pair in enumerate(chosen):
        model = models[fold_of[pair.card_id]]
        try:
            canvases = [
                canvas_from_picture(side, size=model.config.canvas_shape)[0] for side in (pair.front, pair.back) if side
            ]
        except NoCard:  # graded by its other side alone, so that there is no pair to change
            continue
        changes: list[Change] = [lambda rgb: rgb, *PHOTOGRAPHIC_CHANGES.values()]
        grades = _expected(model, [[change(canvas) for canvas in canvases] for change in changes])
        for name, grade in zip(moves, grades[1:], strict=True):
            moves[name].append(abs(float(grade - grades[0])))
        meter("changed photographs", done + 1, len(chosen))
    everything = np.concatenate(list(moves.values()))
    return {
        "n": len(next(iter(moves.values()))),
        "by change": {name: float(np.median(move)) for name, move in moves.items()},
        "median": float(np.median(everything)),
        "p95": float(np.percentile(everything, 95)),
    }


def _expected(model: LoadedModel, pairs: Sequence[Sequence[np.ndarray]]) -> NDArray[np.float64]:
    """Expected grade of pairs of canvases by the network's own probabilities, (N,)."""
    canvases = torch.from_numpy(np.array(pairs))
    present = torch.ones(len(pairs), 2, dtype=torch.bool)
    with torch.inference_mode():
        inputs = model_input({"canvases": canvases, "present": present}, model.config, model.phase, model.device)
        scores = model.network(*inputs)
        probabilities = model.network.grade.log_probabilities(scores.grade).exp().double().cpu().numpy()
    return np.asarray(probabilities @ np.array(GRADES))
