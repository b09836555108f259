"""The recipes and the rubric on simulated cards: three seeds each, sealed test cards of two grade mixes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.runs.plan_input import PlanInput
from app.settings import DataFolder
from db.schema import Run
from engine.evaluation.comparison import common_cards
from engine.evaluation.predictions import Predictions
from engine.recipes import RECIPES
from engine.simulate.mix import GradeMix, best_agreement
from evidence import collection
from evidence.cached_json import write_json
from evidence.collection import NOISE, Part, mix_of, simulated_collection
from evidence.figures import metrics_over_seeds, qwk_differences
from evidence.rubric import rubric_predictions
from evidence.training_runs import TrainingVariant, evaluation_of, predictions_of, train_variant
from labeling.snapshot import pairs_from_manifest

SEEDS = (1, 2, 3)
OUR_RECIPE, RUBRIC = "loupe", "rubric, nothing learned"
MIXES: tuple[GradeMix, ...] = ("history", "uniform")


@dataclass(frozen=True)
class ExperimentScale:
    """Amount of training.

    recipes           in training order
    settings          for every run, in addition to its recipe
    larger_image_size pixels at which `stronger` also trains our recipe; None: skipped, to save time
    """

    parts: tuple[Part, ...]
    recipes: tuple[str, ...]
    settings: Mapping[str, Any]
    larger_image_size: int | None = None

    def variants(self) -> dict[str, TrainingVariant]:
        """Every recipe unchanged, at this scale."""
        plan = PlanInput(bundle="the recipe as it is, at another size")
        return {name: TrainingVariant(name, name, {}, plan) for name in self.recipes}


# A quarter of an hour a run on one core.
SMALL = ExperimentScale(
    collection.SMALL,
    ("baseline", "ordinal", OUR_RECIPE, "four_at_once"),
    {"image_size": 128, "phase2_epochs": 12, "precision": "bf16", "device": "cpu"},
)
# For a GPU.
FULL = ExperimentScale(collection.FULL, tuple(RECIPES), {"image_size": 384, "phase2_epochs": 30}, larger_image_size=448)


def run(folder: Path, scale: ExperimentScale = SMALL) -> dict[str, Any]:
    """Train, evaluate and compare; returns the content of simulated.json.

    It holds a table per mix, and the uncertainty metrics of our first seed on both mixes together.
    """
    data = simulated_collection(folder, scale.parts)
    predictions: dict[str, list[Predictions]] = {}
    for seed in SEEDS:  # every recipe with one seed before the next seed, so that a partial result has pairs to compare
        for name, variant in scale.variants().items():
            run = train_variant(data, variant, seed, scale.settings)
            predictions.setdefault(name, []).append(predictions_of(data, run, "test"))
    pairs = pairs_from_manifest(folder / "cards.csv").pairs
    by_rubric = rubric_predictions([pair for pair in pairs if pair.split == "test"], folder / "rubric.csv")
    predictions[RUBRIC] = [by_rubric] * len(SEEDS)
    results: dict[str, Any] = {
        "told": {**scale.settings, "cards to learn from": sum(pair.split == "train" for pair in pairs)},
        "seeds": list(SEEDS),
        **{mix: _mix_results(predictions, mix) for mix in MIXES},
        "certainty": evaluation_of(data, our_runs(data, scale)[0], "test"),
    }
    write_json(folder / "simulated.json", results)
    return results


def our_runs(data: DataFolder, scale: ExperimentScale) -> list[Run]:
    """The runs of our recipe, one per seed; trained if missing."""
    return [train_variant(data, scale.variants()[OUR_RECIPE], seed, scale.settings) for seed in SEEDS]


def _mix_results(predictions: Mapping[str, list[Predictions]], mix: GradeMix) -> dict[str, Any]:
    """Results on one mix: the ceiling, the metrics of every method, and differences between ours and the others."""
    on_mix = predictions_of_mix(predictions, mix)
    our_predictions = on_mix[OUR_RECIPE]
    return {
        "n": len(our_predictions[0].cards),
        "noise": NOISE,
        "ceiling": best_agreement(mix, NOISE),
        "ways": {name: metrics_over_seeds(method) for name, method in on_mix.items()},
        "less": qwk_differences(
            {name: (our_predictions, method) for name, method in on_mix.items() if name != OUR_RECIPE}
        ),
    }


def predictions_of_mix(predictions: Mapping[str, list[Predictions]], mix: GradeMix) -> dict[str, list[Predictions]]:
    """Restrict the predictions of every method to the cards of a mix that all methods predicted."""
    common = common_cards([by_seed for method in predictions.values() for by_seed in method])
    cards = [card for card in common if mix_of(card) == mix]
    return {name: [by_seed.select_cards(cards) for by_seed in method] for name, method in predictions.items()}
