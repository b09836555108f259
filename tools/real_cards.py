"""Train the starter's network on real and simulated cards, and predict every real pair by a model without it.

One model per fold of the pairs, each also trained on some simulated cards; the final model of all pairs; and two models
that lack a source, to be evaluated on it: one of the other sources alone, one of pairs and simulated cards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.cards.folds import splits_of_fold
from engine.cards.pairs import CardPair, Split, read_manifest, write_manifest
from engine.data.picture_cache import PixelCache
from engine.data.selection import labelled_pictures, with_pictures
from engine.evaluation import predictions
from engine.evaluation.calibration import fit, with_stratum
from engine.evaluation.domain import Domain, fit_domain
from engine.evaluation.predictions import Predictions
from engine.evaluation.strata import Sides
from engine.inference.load_model import load_model
from engine.inference.out_of_fold import Key, OutOfFold
from engine.storage import checkpoint
from engine.storage.file_hash import sha256
from engine.training.frozen_encoders import feature_caches
from evidence.real_sources import baseball, folds_of, fronts, open_and_sealed_pairs, some_per_grade
from tools.build_steps import Step, evaluate_step, model_of, run_at_once, train_step

# What is given of a card: both sides, or one.
GIVEN = ("pair", "front", "back")
_ON = {"pair": "real pairs", "front": "fronts of real pairs", "back": "backs of real pairs"}
# Pictures below these resolutions are small, as the 298 x 400 fronts (3.7 px/mm), and thumbnails (150 x 200, 1.6).
SMALL_PX_PER_MM, THUMBNAIL_PX_PER_MM = 4.3, 2.6
# Strata of the calibration: name, what is given, and the highest resolution.
STRATA: tuple[tuple[str, Sides, float | None], ...] = (
    ("front", "front", None),
    ("back", "back", None),
    ("fronts", "front", SMALL_PX_PER_MM),
    ("thumbnails", "front", THUMBNAIL_PX_PER_MM),
)
FOLD_SEED = 1
# Runs whose models are evaluated on pictures of other kinds, which they grade as the starter does: unfamiliar ones by
# their measurements alone.
WITH_DOMAINS = ("final", "without-pairs", "pairs-only")
# Fraction of the simulated cards that validates the runs without a pair in their validation split.
VALIDATION_EVERY = 12


@dataclass(frozen=True)
class RealTraining:
    """Sizes of the training sets and lengths of the runs.

    Beside the few pairs a run has only some simulated cards, and no small fronts or thumbnails, which cost the fronts
    of the pairs (docs/decisions/0036-rim-pooling-and-measurements.md). `held_out_per_grade` small fronts and as many
    thumbnails calibrate the final model; the others train the model that lacks the pairs.
    """

    folds: int = 5
    base_epochs: int = 60
    epochs: int = 80
    thumbnails_per_grade: int = 50
    held_out_per_grade: int = 25
    simulated_per_grade: int = 12
    settings: dict[str, Any] = field(default_factory=lambda: {"kept_epoch": "last", "cached_views": 8})


def train_on_real_cards(
    plan: RealTraining, recipe: str, simulated: Path, work: Path, jobs: int
) -> dict[str, dict[str, Any]]:
    """Train and evaluate all models, or resume doing so; returns the JSON of each step by name.

    simulated  manifest of the simulated cards
    jobs       runs at once
    """
    manifests = _write_manifests(plan, simulated, work)
    base_settings = {**plan.settings, "phase2_epochs": plan.base_epochs}
    settings = {**plan.settings, "phase2_epochs": plan.epochs}
    folds = [f"fold{fold}" for fold in range(plan.folds)]
    runs = [train_step(work, name, recipe, manifests[name], settings) for name in (*folds, "final")]
    others = [
        train_step(work, name, recipe, manifests[name], base_settings) for name in ("without-pairs", "pairs-only")
    ]
    results = run_at_once(work, [*runs, *others], jobs)
    for name in WITH_DOMAINS:
        _write_with_domains(work, name)
    return results | run_at_once(work, _evaluations(plan, manifests, work), jobs)


def out_of_fold(plan: RealTraining, work: Path, given: str) -> Predictions:
    """Predictions of the open pairs, each by the model of the folds without it; `given` is one of GIVEN."""
    return Predictions.concatenate(predictions.read(work / f"fold{fold}-{given}.csv") for fold in range(plan.folds))


def calibrated_model(plan: RealTraining, work: Path, out: Path) -> dict[str, dict[str, Any]]:
    """Calibrate the final model, add its out-of-fold predictions, and write it to `out`.

    returns  cross-validated metrics of the calibrations by what is given of a card, and the coverage on sealed cards
    """
    calibrations = {given: fit(out_of_fold(plan, work, given), on=f"out of fold, {_ON[given]}") for given in GIVEN}
    for name, on in (("fronts", "small pictures of fronts"), ("thumbnails", "thumbnails of fronts")):
        calibrations[name] = fit(predictions.read(work / f"final-{name}.csv"), on=on)
    calibration = replace(calibrations["pair"], min_px_per_mm=SMALL_PX_PER_MM)
    for name, sides, max_px_per_mm in STRATA:
        calibration = with_stratum(calibration, calibrations[name], sides=sides, max_px_per_mm=max_px_per_mm)
    if not out.is_file():
        content = checkpoint.load(_with_domains(work, "final"))
        saved = {
            "calibration": calibration.to_dict(),
            "out_of_fold": _known_cards(plan, work),
        }
        checkpoint.save(out, {**content, **saved, "name": "starter"})
    return {name: dict(calibrated.measured or {}) for name, calibrated in calibrations.items()}


def _known_cards(plan: RealTraining, work: Path) -> dict[str, Any]:
    """Predictions of the training cards by models without them, by the hashes of their pictures."""
    manifests = work / "manifests"
    sources = [(out_of_fold(plan, work, "pair"), manifests / "pairs.csv", (True, True))]
    sources += [(out_of_fold(plan, work, "front"), manifests / "pairs.csv", (True, False))]
    sources += [(out_of_fold(plan, work, "back"), manifests / "pairs.csv", (False, True))]
    sources += [(_sealed(plan, work), manifests / "sealed.csv", (True, True))]
    sources += [
        (predictions.read(work / f"pairs-only-{name}.csv"), manifests / f"{name}.csv", (True, False))
        for name in ("fronts", "thumbnails")
    ]
    rows: dict[Key, np.ndarray] = {}
    for predicted, manifest, (front, back) in sources:
        pictures = {pair.card_id: pair for pair in read_manifest(manifest).pairs}
        for card, probabilities in zip(predicted.cards, predicted.probabilities, strict=True):
            pair = pictures[card]
            key = (
                sha256(pair.front) if front and pair.front else None,
                sha256(pair.back) if back and pair.back else None,
            )
            rows[key] = probabilities
    return OutOfFold(rows).to_dict()


def _sealed(plan: RealTraining, work: Path) -> Predictions:
    """Mean prediction of the sealed cards over the fold models, none of which was trained on them."""
    parts = [predictions.read(work / f"fold{fold}-sealed.csv") for fold in range(plan.folds)]
    return replace(parts[0], probabilities=np.mean([part.probabilities for part in parts], axis=0))


def _with_domains(work: Path, name: str) -> Path:
    """Model file of the run `name` with the domains of its training cards."""
    return work / name / "with_domains.pt"


def _write_with_domains(work: Path, name: str) -> None:
    path = _with_domains(work, name)
    if not path.is_file():
        checkpoint.save(path, {**checkpoint.load(model_of(work, name)), "domains": _domains(work, name)})


def _domains(work: Path, name: str) -> list[dict[str, Any] | None]:
    """Domains of front and back: the features that the model of a run has of its training cards."""
    model, cache = load_model(model_of(work, name), "cpu"), work / "data" / "cache"
    pairs = [pair for pair in read_manifest(work / "manifests" / f"{name}.csv").pairs if pair.split == "train"]
    pixels = PixelCache(cache, labelled_pictures(pairs), model.config.canvas_shape)
    for _ in pixels.fill():
        pass
    cards = with_pictures(pairs, pixels)[0]
    caches = feature_caches(model.network, cards, pixels, model.config, cache, model.device)
    domains: list[dict[str, Any] | None] = []
    for side, features in zip((model.network.front, model.network.back), caches, strict=True):
        for _ in features.fill():
            pass
        pictures = {path for card in cards for path in (card.pair.front, card.pair.back) if path and path in features}
        pooled = torch.from_numpy(np.stack([features.features(path, 0) for path in sorted(pictures)]))
        domains.append(_saved_domain(fit_domain(side.standardize(pooled).numpy())))
    return domains


def _saved_domain(domain: Domain) -> dict[str, Any]:
    """Arrays as tensors, which a model file may contain."""
    return {
        name: torch.from_numpy(value).half() if isinstance(value, np.ndarray) else value
        for name, value in domain.to_dict().items()
    }


def _evaluations(plan: RealTraining, manifests: dict[str, Path], work: Path) -> list[Step]:
    """Evaluations on cards that the model was not trained on, by the probabilities of the network itself."""

    def evaluation(name: str, run: str, manifest: str) -> Step:
        model = _with_domains(work, run) if run in WITH_DOMAINS else model_of(work, run)
        return evaluate_step(work, name, model, manifests[manifest], "--uncalibrated")

    steps = [
        evaluation(f"fold{fold}-{given}", f"fold{fold}", f"fold{fold}-{given}")
        for fold in range(plan.folds)
        for given in GIVEN
    ]
    sealed = [evaluation(f"fold{fold}-sealed", f"fold{fold}", "sealed") for fold in range(plan.folds)]
    across = [
        evaluation("without-pairs", "without-pairs", "pairs"),
        evaluation("final-fronts", "final", "held-out-fronts"),
        evaluation("final-thumbnails", "final", "held-out-thumbnails"),
        evaluation("pairs-only-fronts", "pairs-only", "fronts"),
        evaluation("pairs-only-thumbnails", "pairs-only", "thumbnails"),
    ]
    return [*steps, *sealed, *across]


def _write_manifests(plan: RealTraining, simulated: Path, work: Path) -> dict[str, Path]:
    """Manifests of all runs and evaluations, by name."""
    open_pairs, sealed = open_and_sealed_pairs()
    small, thumbnails = _named("fronts", fronts()), _named("thumbnails", baseball(plan.thumbnails_per_grade))
    held_out_fronts = some_per_grade(small, plan.held_out_per_grade)
    held_out_thumbnails = some_per_grade(thumbnails, plan.held_out_per_grade)
    training_fronts = _without(small, held_out_fronts)
    drawn = _with_validation(_named("simulated", read_manifest(simulated).pairs))
    drawn_training = [pair for pair in drawn if pair.split == "train"]
    drawn_validation = [pair for pair in drawn if pair.split == "val"]
    companions = some_per_grade(drawn_training, plan.simulated_per_grade)
    fold_of = list(map(int, folds_of(open_pairs, plan.folds, FOLD_SEED)))
    cards: dict[str, Sequence[CardPair]] = {
        "without-pairs": [*drawn, *training_fronts, *_without(thumbnails, held_out_thumbnails)],
        "final": [*_in_split(open_pairs, "train"), *_in_split(sealed, "train"), *companions, *drawn_validation],
        "pairs-only": [*_in_split(open_pairs, "train"), *drawn],
        "pairs": open_pairs,
        "sealed": sealed,
        "fronts": small,
        "thumbnails": thumbnails,
        "held-out-fronts": held_out_fronts,
        "held-out-thumbnails": held_out_thumbnails,
    }
    for fold in range(plan.folds):
        split = splits_of_fold(open_pairs, fold_of, fold)
        held_out = [pair for pair in split if pair.split == "val"]
        cards[f"fold{fold}"] = [*split, *companions]
        cards[f"fold{fold}-pair"] = held_out
        cards[f"fold{fold}-front"] = [replace(pair, back=None) for pair in held_out]
        cards[f"fold{fold}-back"] = [replace(pair, front=None) for pair in held_out]
    folder = work / "manifests"
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.csv" for name in cards}
    for name, path in paths.items():
        if not path.is_file():
            write_manifest(path, cards[name])
    return paths


def _named(source: str, pairs: Sequence[CardPair]) -> list[CardPair]:
    """The cards for training, with the name of their source before their ids."""
    return [
        replace(pair, card_id=f"{source}-{pair.card_id}", group=f"{source}-{pair.group_key}", split="train")
        for pair in pairs
    ]


def _without(pairs: Sequence[CardPair], left_out: Sequence[CardPair]) -> list[CardPair]:
    names = {pair.card_id for pair in left_out}
    return [pair for pair in pairs if pair.card_id not in names]


def _with_validation(pairs: Sequence[CardPair]) -> list[CardPair]:
    index = {group: number for number, group in enumerate(sorted({pair.group_key for pair in pairs}))}
    return [replace(pair, split="train" if index[pair.group_key] % VALIDATION_EVERY else "val") for pair in pairs]


def _in_split(pairs: Sequence[CardPair], split: Split) -> list[CardPair]:
    return [replace(pair, split=split) for pair in pairs]
