"""Gain and cost of larger pictures: our recipe from 96 to 448 pixels, all other settings equal.

As small as the ablations in `changes`: a thousand cards, two seeds. Evaluated on the sealed test cards of both mixes,
since nothing is selected here: the right size depends on time and on a user's pictures.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.runs.plan_input import PlanInput
from app.settings import DataFolder
from db.schema import Run
from evidence.cached_json import write_json
from evidence.collection import simulated_collection
from evidence.figures import metrics_over_seeds, qwk_differences
from evidence.steps.changes import SEEDS, SHARED, SMALL
from evidence.steps.simulated import MIXES, OUR_RECIPE, predictions_of_mix
from evidence.training_runs import TrainingVariant, predictions_of, train_variant

# The first is the reference.
SIZES = (96, 160, 448)


def run(folder: Path) -> dict[str, Any]:
    """Train and evaluate every size; returns the content of sizes.json, a table per mix."""
    data = simulated_collection(folder)
    smallest = TrainingVariant("smallest", OUR_RECIPE, {"image_size": SIZES[0]}, SMALL)
    reference = [train_variant(data, smallest, seed, SHARED) for seed in SEEDS]
    runs = {SIZES[0]: reference} | {size: _train_larger(data, reference, size) for size in SIZES[1:]}
    predictions = {
        str(size): [predictions_of(data, run, "test") for run in runs_of_size] for size, runs_of_size in runs.items()
    }
    results: dict[str, Any] = {
        "told": {key: value for key, value in SHARED.items() if key != "image_size"},
        "seeds": list(SEEDS),
        "sizes": list(SIZES),
        "pairs_per_second": {str(size): _pairs_per_s(runs_of_size) for size, runs_of_size in runs.items()},
    }
    for mix in MIXES:
        on_mix = predictions_of_mix(predictions, mix)
        reference_on_mix = on_mix[str(SIZES[0])]
        results[mix] = {
            "n": len(reference_on_mix[0].cards),
            "figures": {size: metrics_over_seeds(of_size) for size, of_size in on_mix.items()},
            "less": qwk_differences({str(size): (on_mix[str(size)], reference_on_mix) for size in SIZES[1:]}),
        }
    write_json(folder / "sizes.json", results)
    return results


def _train_larger(data: DataFolder, reference: Sequence[Run], size: int) -> list[Run]:
    """One run per seed with the settings of the reference runs, on larger pictures."""
    hypothesis = f"{size} px show what a grade hangs on and {SIZES[0]} px do not"
    return [
        train_variant(
            data,
            TrainingVariant(f"{size} px", OUR_RECIPE, {"image_size": size}, PlanInput(str(run.id), hypothesis)),
            seed,
            SHARED,
        )
        for run, seed in zip(reference, SEEDS, strict=True)
    ]


def _pairs_per_s(runs: Sequence[Run]) -> float:
    """Training speed, the median over the seeds."""
    return statistics.median(float((run.summary or {})["pairs_per_second"]) for run in runs)
