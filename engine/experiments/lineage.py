"""What a run differs in from the one it came from, and whether that is one change. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.config import Config, difference

# How and on how much a run is computed: not what it asks. They are recorded, and are no change of the recipe.
MACHINE = frozenset({"device", "seed", "max_pairs", "precision", "stop_if"})
# A recipe tried smaller or larger. All of these together are one change: a try at another scale.
SCALE = frozenset(
    {"front_encoder", "back_encoder", "pretrained", "image_size", "batch_size", "phase1_epochs", "phase2_epochs"}
)
# What the loss is made of: where one of these differs, two losses are not in the same units.
OBJECTIVE = frozenset(
    {
        *("loss", "alpha_emd", "beta_edge", "beta_center", "label_smoothing", "soft_label_width", "focal_gamma"),
        *("class_weights", "class_weight_cap", "mixup_alpha", "measured_targets"),
        *("teachers", "teachers_share"),
        "seen",  # a control learns no edges and no centering
    }
)
# Balanced class weights are made from the training cards' grades: what adds or leaves out cards then changes the loss.
WEIGHS = frozenset({"worn_up_to", "max_pairs"})
# Settings that are asked for only where another one calls for them: by which, and with which values.
CALLED_FOR: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "alpha_emd": ("loss", lambda loss: loss == "ce_emd"),
    "class_weight_cap": ("class_weights", lambda weights: weights == "balanced"),
    "beta_edge": ("measured_targets", bool),
    "beta_center": ("measured_targets", bool),
    "measured_dropout": ("measured_inputs", bool),
    "teachers_share": ("teachers", bool),
    "lr_phase1": ("phase1_epochs", bool),
    "lr_phase2": ("phase2_epochs", bool),
}

Changes = dict[str, tuple[Any, Any]]


def changes(config: Config, parent: Config, aside: frozenset[str] = MACHINE) -> Changes:
    """The settings that differ from the parent's, those of the machine aside: key -> (parent's, own)."""
    return {key: pair for key, pair in difference(config, parent).items() if key not in aside}


def count(changed: Mapping[str, Any]) -> int:
    """How many changes these are: one a key, those of scale together one."""
    return sum(key not in SCALE for key in changed) + any(key in SCALE for key in changed)


def in_words(changed: Mapping[str, Any]) -> str:
    """`key = own (parent's)`, separated by commas, or "nothing"."""
    return ", ".join(f"{key} = {own} ({before})" for key, (before, own) in changed.items()) or "nothing"


def idle(changed: Mapping[str, Any], config: Config) -> list[str]:
    """A sentence for each change that changes nothing, since the config never asks for that setting."""
    told = config.model_dump()
    gates = ((key, *CALLED_FOR[key]) for key in changed if key in CALLED_FOR)
    return [
        f"{key} changes nothing with {gate} = {told[gate]!r}" for key, gate, calls in gates if not calls(told[gate])
    ]


def bundle_warning(changed: Mapping[str, Any], parent: str, bundle: str) -> str | None:
    """Why several changes at once, not declared a bundle, teach nothing; None where there is nothing to warn of."""
    if bundle or count(changed) <= 1:
        return None
    return (
        f"{count(changed)} changes at once against {parent} ({in_words(changed)}; changes of scale count as one): "
        "whatever comes out, none of them can be credited or blamed"
    )


def same_objective(one: Config, other: Config) -> bool:
    """Whether the losses of two runs on the same cards are in the same units and may be compared."""
    made_of = OBJECTIVE | WEIGHS if one.class_weights == "balanced" else OBJECTIVE
    return not made_of & difference(one, other).keys()
