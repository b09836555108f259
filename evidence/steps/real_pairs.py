"""Real graded pairs: frozen ImageNet features, controls for the photograph, and other sources of pictures.

Everything here is fitted in seconds on features of a frozen network, so that it shows how much of a score comes from
the photographs alone. Forty cards, chosen by the hash of their name, stay sealed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from app.terminal import print_message
from engine.cards.folds import hash_order
from engine.cards.pairs import CardPair
from engine.evaluation.predictions import Predictions
from evidence.cached_json import load_or_compute, require_same_plan, write_json
from evidence.figures import metrics_over_seeds, qwk_differences
from evidence.frozen_features import (
    Change,
    InputSpec,
    card_features,
    photograph_measures,
    ridge_predictions,
    to_probabilities,
)
from evidence.real_sources import (
    BASEBALL,
    FRONTS,
    PAIRS,
    SEALED_CARDS,
    baseball,
    folds_of,
    fronts,
    open_and_sealed_pairs,
    require_real_pictures,
)

FOLDS, SEEDS = 5, (1, 2, 3)
BASEBALL_PER_GRADE = 100
CHANGED_CARDS = 60
# The weights that the training history gave the sides.
FRONT_WEIGHT = 0.3
# Deviation in grades of the normal distribution around the expected grade; it has no influence on QWK, exact or MAE.
DEVIATION = 1.8
DEFAULT = InputSpec()
SPECS = (
    DEFAULT,
    InputSpec(channels="six"),
    InputSpec(height=320, width=320),
    InputSpec(height=448, width=320),
    InputSpec(height=448, width=320, stage="penultimate"),
    InputSpec(height=448, width=320, pooling="rim"),
    InputSpec(height=448, width=320, stage="penultimate", pooling="rim"),
    InputSpec(encoder="efficientnet_lite2"),
    InputSpec(region="picture"),
)
FRONT_WEIGHTS = (0.0, 0.2, 0.3, 0.4, 0.5, 1.0)


def run(folder: Path) -> dict[str, Any]:
    """Extract the features, fit and evaluate; returns the content of real_pairs.json."""
    require_real_pictures()
    require_same_plan(
        {"folds": FOLDS, "seeds": SEEDS, "sealed": SEALED_CARDS, "specs": [spec.name for spec in SPECS]},
        folder / "real_pairs" / "plan.json",
    )
    pairs, _ = open_and_sealed_pairs()
    parts = folder / "real_pairs"
    results = {
        "n": len(pairs),
        "sealed": SEALED_CARDS,
        "inputs": {
            spec.name: load_or_compute(parts / f"{spec.name}.json", lambda spec=spec: _inputs(folder, pairs, spec))
            for spec in SPECS
        },
        "control": load_or_compute(parts / "control.json", lambda: _control(folder, pairs)),
        "across": load_or_compute(parts / "across.json", lambda: _across(folder, pairs)),
        "changes": load_or_compute(parts / "changes.json", lambda: _changes(folder, pairs)),
    }
    write_json(folder / "real_pairs.json", results)
    return results


def _inputs(folder: Path, pairs: Sequence[CardPair], spec: InputSpec) -> dict[str, Any]:
    """Out-of-fold metrics of each side and of both, over the seeds of the folds."""
    print_message(f"real pairs: {spec.name}")
    front, back = (_side_features(folder, pairs, side, spec) for side in ("front", "back"))
    expected = [_out_of_fold(pairs, front, back, seed) for seed in SEEDS]
    mixes = {f"front {weight:g}": weight for weight in FRONT_WEIGHTS}
    return {
        name: _metrics(pairs, [weight * fronts + (1 - weight) * backs for fronts, backs in expected])
        for name, weight in mixes.items()
    }


def _out_of_fold(
    pairs: Sequence[CardPair], front: NDArray[np.float32], back: NDArray[np.float32], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected grade of each card by front and by back, from the ridge of the folds without it."""
    fold_of = folds_of(pairs, FOLDS, seed)
    grades = _grades(pairs)
    expected = np.zeros((2, len(pairs)))
    for fold in range(FOLDS):
        held_out = fold_of == fold
        for row, features in enumerate((front, back)):
            expected[row, held_out] = ridge_predictions(features[~held_out], grades[~held_out], features[held_out])
    return expected[0], expected[1]


def _control(folder: Path, pairs: Sequence[CardPair]) -> dict[str, Any]:
    """The control's metrics, and the gain of the features over it."""
    front, back = (_side_features(folder, pairs, side, DEFAULT) for side in ("front", "back"))
    controls, mixes = [], []
    for seed in SEEDS:
        controls.append(control_predictions(pairs, seed))
        fronts_expected, backs_expected = _out_of_fold(pairs, front, back, seed)
        mixes.append(FRONT_WEIGHT * fronts_expected + (1 - FRONT_WEIGHT) * backs_expected)
    return {"metrics": _metrics(pairs, controls), **gain_over_control(pairs, mixes, controls)}


def control_predictions(pairs: Sequence[CardPair], seed: int) -> NDArray[np.float64]:
    """Grade of each pair by boosted trees on the properties of its photographs, out of fold."""
    measures = np.array([photograph_measures(pair.front) + photograph_measures(pair.back) for pair in pairs])  # type: ignore[arg-type]
    grades, fold_of, control = _grades(pairs), folds_of(pairs, FOLDS, seed), np.zeros(len(pairs))
    for fold in range(FOLDS):
        held_out = fold_of == fold
        trees = HistGradientBoostingRegressor(max_iter=150, learning_rate=0.05, min_samples_leaf=8, random_state=seed)
        control[held_out] = trees.fit(measures[~held_out], grades[~held_out]).predict(measures[held_out])
    return control


def gain_over_control(
    pairs: Sequence[CardPair], expected: Sequence[NDArray[np.float64]], controls: Sequence[NDArray[np.float64]]
) -> dict[str, Any]:
    """Gain of expected grades over the control's, one of each per seed.

    gain         difference in QWK
    correlation  of the true and the expected grade, each less the control's prediction
    """
    grades = _grades(pairs)
    left_over = [
        np.corrcoef(grades - control, grade - control)[0, 1] for control, grade in zip(controls, expected, strict=True)
    ]
    candidates, references = ([_predictions(pairs, grade) for grade in group] for group in (expected, controls))
    gain = qwk_differences({"features": (candidates, references)})["features"]
    return {"gain": gain, "correlation": float(np.mean(left_over))}


def _across(folder: Path, pairs: Sequence[CardPair]) -> dict[str, Any]:
    """QWK of fronts when trained on one source and evaluated on another."""
    sources = {PAIRS: list(pairs), FRONTS: fronts(), BASEBALL: baseball(BASEBALL_PER_GRADE)}
    features = {name: _side_features(folder, cards, "front", DEFAULT) for name, cards in sources.items()}
    table = {}
    for target, cards in sources.items():
        remaining = [name for name in sources if name != target]
        for trained_on in ([remaining[0]], [remaining[1]], remaining):
            training = np.concatenate([features[name] for name in trained_on])
            grades = np.concatenate([_grades(sources[name]) for name in trained_on])
            expected = ridge_predictions(training, grades, features[target])
            table[f"{' and '.join(trained_on)} -> {target}"] = _metrics(cards, [expected])
    return table


def _changes(folder: Path, pairs: Sequence[CardPair]) -> dict[str, Any]:
    """Change of the expected grade under photographic changes of the same card: median and 95th percentile."""
    chosen = sorted(range(len(pairs)), key=lambda index: hash_order(pairs[index].card_id, 1))[:CHANGED_CARDS]
    cards = [pairs[index] for index in chosen]
    fold_of, grades = folds_of(pairs, FOLDS, SEEDS[0]), _grades(pairs)
    whole = {side: _side_features(folder, pairs, side, DEFAULT) for side in ("front", "back")}

    def expected(features: dict[str, NDArray[np.float32]]) -> NDArray[np.float64]:
        total = np.zeros(len(cards))
        for side, weight in (("front", FRONT_WEIGHT), ("back", 1 - FRONT_WEIGHT)):
            for fold in range(FOLDS):
                rows = np.flatnonzero(fold_of[chosen] == fold)
                held_out = fold_of == fold
                prediction = ridge_predictions(whole[side][~held_out], grades[~held_out], features[side][rows])
                total[rows] += weight * prediction
        return np.clip(total, 1, 10)

    unchanged = expected({side: features[chosen] for side, features in whole.items()})
    moves = {
        name: np.abs(
            expected({side: _side_features(folder, cards, side, DEFAULT, change, name) for side in ("front", "back")})
            - unchanged
        )
        for name, change in PHOTOGRAPHIC_CHANGES.items()
    }
    everything = np.concatenate(list(moves.values()))
    return {
        "n": len(cards),
        "by change": {name: float(np.median(move)) for name, move in moves.items()},
        "median": float(np.median(everything)),
        "p95": float(np.percentile(everything, 95)),
    }


def _gain(rgb: np.ndarray, factors: Sequence[float]) -> np.ndarray:
    return np.clip(rgb * np.array(factors), 0, 255).astype(np.uint8)


def _jpeg(rgb: np.ndarray) -> np.ndarray:
    encoded = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))


def _half_size(rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    return cv2.resize(cv2.resize(rgb, (width // 2, height // 2), interpolation=cv2.INTER_AREA), (width, height))


def _margin(rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    cut = round(0.015 * height)
    return cv2.resize(rgb[cut : height - cut, cut : width - cut], (width, height), interpolation=cv2.INTER_AREA)


PHOTOGRAPHIC_CHANGES: dict[str, Change] = {
    "warmer": lambda rgb: _gain(rgb, (1.12, 1.0, 0.88)),
    "cooler": lambda rgb: _gain(rgb, (0.88, 1.0, 1.12)),
    "brighter": lambda rgb: _gain(rgb, (1.25, 1.25, 1.25)),
    "darker": lambda rgb: _gain(rgb, (0.75, 0.75, 0.75)),
    "blurred": lambda rgb: cv2.GaussianBlur(rgb, (0, 0), 1.2),
    "JPEG quality 40": _jpeg,
    "half the size": _half_size,
    "cropped by 1.5 %": _margin,
}


def _side_features(
    folder: Path, pairs: Sequence[CardPair], side: str, spec: InputSpec, change: Change | None = None, name: str = ""
) -> NDArray[np.float32]:
    paths = [pair.front if side == "front" else pair.back for pair in pairs]
    return card_features([path for path in paths if path is not None], spec, folder / "features", change, name)


def _grades(pairs: Sequence[CardPair]) -> NDArray[np.float64]:
    return np.array([pair.grade for pair in pairs], np.float64)


def _predictions(pairs: Sequence[CardPair], expected: NDArray[np.float64]) -> Predictions:
    probabilities = to_probabilities(np.clip(expected, 1, 10), DEVIATION)
    truth = _grades(pairs).astype(np.int64)
    return Predictions(
        tuple(pair.card_id for pair in pairs), tuple(pair.group_key for pair in pairs), truth, probabilities
    )


def _metrics(pairs: Sequence[CardPair], expected: Sequence[NDArray[np.float64]]) -> dict[str, Any]:
    """Mean metrics of the seeds' expected grades, with intervals."""
    return dict(metrics_over_seeds([_predictions(pairs, grades) for grades in expected]))
