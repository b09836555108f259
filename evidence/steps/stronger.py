"""Stronger predictions: test-time augmentation, an ensemble over seeds, distillation from it, larger pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.runs.plan_input import PlanInput
from app.settings import DataFolder
from db.schema import Run
from engine.evaluation.predictions import Predictions
from engine.simulate.mix import GradeMix
from evidence.cached_json import write_json
from evidence.collection import simulated_collection
from evidence.figures import mean_predictions, metrics_over_seeds, qwk_differences
from evidence.steps.simulated import MIXES, OUR_RECIPE, SEEDS, SMALL, ExperimentScale, our_runs, predictions_of_mix
from evidence.training_runs import TrainingVariant, predictions_of, predictions_path, train_variant

VIEWS = (2, 4, 8)


@dataclass(frozen=True)
class Method:
    """A prediction method and its cost.

    predictions                   of the test cards, one per seed
    models_trained, models_stored number of models to train, and to ship
    forward_passes                per card
    """

    predictions: list[Predictions]
    models_trained: int
    models_stored: int
    forward_passes: int


def run(folder: Path, scale: ExperimentScale = SMALL) -> dict[str, Any]:
    """Compare each method with the single models; returns the content of stronger.json, a table per mix."""
    data = simulated_collection(folder, scale.parts)
    single_runs = our_runs(data, scale)
    count = len(single_runs)
    single = [predictions_of(data, run, "test") for run in single_runs]
    augmented = {views: [predictions_of(data, run, "test", views) for run in single_runs] for views in VIEWS}
    methods = {"single": Method(single, 1, 1, 1)}
    methods |= {f"{views} views": Method(predictions, 1, 1, views) for views, predictions in augmented.items()}
    # Repeated, to be paired with each single model in turn.
    methods["ensemble"] = Method([mean_predictions(single)] * count, count, count, count)
    for views, predictions in augmented.items():
        ensemble = [mean_predictions(predictions)] * count
        methods[f"ensemble, {views} views"] = Method(ensemble, count, count, count * views)
    teachers = ",".join(str(predictions_path(data, run, "train")) for run in single_runs)
    hypothesis = "one model learns what several together know"
    distilled = _train_and_predict(data, single_runs, scale, "distilled", hypothesis, teachers=teachers)
    methods["distilled from the ensemble"] = Method(distilled, count + 1, 1, 1)
    if scale.larger_image_size is not None:
        name, hypothesis = f"{scale.larger_image_size} px", "larger pictures show what a grade hangs on"
        larger = _train_and_predict(data, single_runs, scale, name, hypothesis, image_size=scale.larger_image_size)
        methods[name] = Method(larger, 1, 1, 1)
    results = {"seeds": list(SEEDS), **{mix: _mix_results(methods, mix) for mix in MIXES}}
    write_json(folder / "stronger.json", results)
    return results


def _train_and_predict(
    data: DataFolder, single_runs: Sequence[Run], scale: ExperimentScale, name: str, hypothesis: str, **settings: Any
) -> list[Predictions]:
    """Train our recipe with changed settings, one run per seed; returns the predictions of the test cards."""
    predictions = []
    for run, seed in zip(single_runs, SEEDS, strict=True):
        variant = TrainingVariant(name, OUR_RECIPE, settings, PlanInput(parent=str(run.id), hypothesis=hypothesis))
        predictions.append(predictions_of(data, train_variant(data, variant, seed, scale.settings), "test"))
    return predictions


def _mix_results(methods: dict[str, Method], mix: GradeMix) -> dict[str, Any]:
    """Cost and metrics of every method on one mix, and its difference from the single models."""
    on_mix = predictions_of_mix({name: method.predictions for name, method in methods.items()}, mix)
    differences = qwk_differences(
        {name: (predictions, on_mix["single"]) for name, predictions in on_mix.items() if name != "single"}
    )
    return {
        "n": len(on_mix["single"][0].cards),
        "ways": {
            name: {
                "trained": method.models_trained,
                "stored": method.models_stored,
                "looks": method.forward_passes,
                "figures": metrics_over_seeds(on_mix[name]),
                "less": differences.get(name),
            }
            for name, method in methods.items()
        },
    }
