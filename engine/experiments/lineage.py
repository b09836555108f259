"""Settings in which a run differs from its parent, and the number of changes that they count as. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.config import Config, difference

# Settings of the machine and the amount of data, not of the experiment: recorded, but not counted as a change.
MACHINE = frozenset({"device", "seed", "max_pairs", "precision", "stop_if"})
# Settings of scale: all of them together count as one change.
SCALE = frozenset(
    {"front_encoder", "back_encoder", "pretrained", "image_size", "batch_size", "phase1_epochs", "phase2_epochs"}
)
# Settings of the loss: if one of them differs, two losses are not comparable.
OBJECTIVE = frozenset(
    {
        *("loss", "alpha_emd", "beta_edge", "beta_center", "label_smoothing", "soft_label_width", "focal_gamma"),
        *("class_weights", "class_weight_cap", "mixup_alpha", "auxiliary_targets"),
        *("teachers", "teacher_weight"),
        "input_region",  # a control learns no edges and no centering
    }
)
# Settings that add or drop training cards: balanced class weights, and so the loss, depend on the cards per grade.
CLASS_COUNTS = frozenset({"synthetic_wear_per_grade", "max_pairs"})
# Settings that have an effect only with certain values of another one: setting -> (the other, test of its value).
CONDITIONAL: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "alpha_emd": ("loss", lambda loss: loss == "ce_emd"),
    "class_weight_cap": ("class_weights", lambda weights: weights == "balanced"),
    "beta_edge": ("auxiliary_targets", bool),
    "beta_center": ("auxiliary_targets", bool),
    "measurement_dropout": ("use_measurements", bool),
    "teacher_weight": ("teachers", bool),
    "lr_phase1": ("phase1_epochs", bool),
    "lr_phase2": ("phase2_epochs", bool),
}

Changes = dict[str, tuple[Any, Any]]


def changes(config: Config, parent: Config, ignored: frozenset[str] = MACHINE) -> Changes:
    """Settings that differ from the parent's, without those `ignored`: key -> (parent's value, own value)."""
    return {key: pair for key, pair in difference(config, parent).items() if key not in ignored}


def count(changed: Mapping[str, Any]) -> int:
    """Number of changes: one per setting, but one for all settings of scale together."""
    return sum(key not in SCALE for key in changed) + any(key in SCALE for key in changed)


def describe(changed: Mapping[str, Any]) -> str:
    """Format as comma-separated `key = value (parent's value)`, or "nothing"."""
    return ", ".join(f"{key} = {value} ({parent})" for key, (parent, value) in changed.items()) or "nothing"


def ineffective(changed: Mapping[str, Any], config: Config) -> list[str]:
    """Sentences on the changes without effect, since another setting of `config` switches them off."""
    values = config.model_dump()
    gates = ((key, *CONDITIONAL[key]) for key in changed if key in CONDITIONAL)
    return [
        f"{key} has no effect with {gate} = {values[gate]!r}"
        for key, gate, is_enabled in gates
        if not is_enabled(values[gate])
    ]


def bundle_warning(changed: Mapping[str, Any], parent: str, bundle: str) -> str | None:
    """Warning about several changes at once that are not declared a bundle; None if there is no reason to warn."""
    if bundle or count(changed) <= 1:
        return None
    return (
        f"{count(changed)} changes at once against {parent} ({describe(changed)}; changes of scale count as one): "
        "their effects cannot be separated"
    )


def same_objective(first: Config, second: Config) -> bool:
    """Return True if the losses of two runs on the same cards are comparable."""
    relevant = OBJECTIVE | CLASS_COUNTS if first.class_weights == "balanced" else OBJECTIVE
    return not relevant & difference(first, second).keys()
