"""What the model's auxiliary heads learn from a measured side, in place of constants."""

from __future__ import annotations

from typing import NamedTuple

from engine.measure.card import SideMeasured
from engine.measure.centering import Centering


class AuxiliaryTargets(NamedTuple):
    """Targets of one side, each None where it was not measured.

    edge_damage  0 to 1: share of the four edges' length that has lost its print
    left_share   left border as a share of left and right, 0 to 1
    top_share    top border as a share of top and bottom, 0 to 1
    """

    edge_damage: float | None
    left_share: float | None
    top_share: float | None


def auxiliary_targets(side: SideMeasured) -> AuxiliaryTargets:
    """The targets that a measured side gives."""
    shares = [edge.share for edge in side.edges or () if edge.share is not None]
    damage = sum(shares) / len(shares) if len(shares) == 4 else None
    if isinstance(side.centering, Centering):
        return AuxiliaryTargets(damage, side.centering.left_share, side.centering.top_share)
    return AuxiliaryTargets(damage, None, None)
