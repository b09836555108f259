"""Settings in which a run differs from its parent, and the number of changes that they count as. Free of torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from engine.config import CARDS, LOSS, MACHINE, SCALE, Config, difference, effective_with, fields

Changes = dict[str, tuple[Any, Any]]


def changes(config: Config, parent: Config, ignored: Collection[str] = fields(MACHINE)) -> Changes:
    """Settings that differ from the parent's, without those `ignored`: key -> (parent's value, own value)."""
    return {key: pair for key, pair in difference(config, parent).items() if key not in ignored}


def count(changed: Mapping[str, Any]) -> int:
    """Number of changes: one per setting, but one for all settings of scale together."""
    of_scale = fields(SCALE).keys() & changed.keys()
    return len(changed) - len(of_scale) + bool(of_scale)


def describe(changed: Mapping[str, Any]) -> str:
    """Format as comma-separated `key = value (parent's value)`, or "nothing"."""
    return ", ".join(f"{key} = {value} ({parent})" for key, (parent, value) in changed.items()) or "nothing"


def ineffective(changed: Mapping[str, Any], config: Config) -> list[str]:
    """Sentences on the changes without effect, since another setting of `config` switches them off."""
    conditions = {key: condition for key in changed if (condition := effective_with(key)) is not None}
    return [
        f"{key} has no effect with {condition.setting} = {getattr(config, condition.setting)!r}"
        for key, condition in conditions.items()
        if not condition.holds(config)
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
    relevant = fields(LOSS).keys() | (fields(CARDS).keys() if first.class_weights == "balanced" else set())
    return not relevant & difference(first, second).keys()
