"""What the model's auxiliary heads learn from a measured side, in place of constants."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.image.detection import Kind
from engine.image.quads import side_lengths
from engine.image.read import BadPicture, read_reduced
from engine.image.rectify import card_size
from engine.measure.centering import centering
from engine.measure.centering.centering import Centering
from engine.measure.side.measure_side import SideMeasured, measure_found
from engine.measure.surface import surface

NOT_MEASURED = float("nan")
# Just below what the surface asks for, which is no target and three quarters of the time. On simulated scans centering
# is then .18 points off in the median instead of .10, and edge damage still ranks at .91 with the truth.
MOST_PX_PER_MM = 0.99 * surface.LEAST_PX_PER_MM
# A reduced decoding leaves at least this many times the resolution that is measured.
SPARE_FOR_REDUCING = 2.0


class AuxiliaryTargets(NamedTuple):
    """Targets of one side, each NaN where it was not measured.

    edge_damage  0 to 1: share of the four edges' length that has lost its print
    left_share   left border as a share of left and right, 0 to 1
    top_share    top border as a share of top and bottom, 0 to 1
    """

    edge_damage: float
    left_share: float
    top_share: float


def auxiliary_targets(side: SideMeasured) -> AuxiliaryTargets:
    """The targets that a measured side gives."""
    shares = [edge.share for edge in side.edges or () if edge.share is not None]
    damage = sum(shares) / len(shares) if len(shares) == 4 else NOT_MEASURED
    if isinstance(side.centering, Centering):
        return AuxiliaryTargets(damage, side.centering.left_share, side.centering.top_share)
    return AuxiliaryTargets(damage, NOT_MEASURED, NOT_MEASURED)


def measured_targets(path: Path, quad: np.ndarray, kind: Kind) -> AuxiliaryTargets:
    """Measure the card in a picture file for its targets alone: about a tenth of a second.

    quad  (4, 2) pixels of the whole upright picture, clockwise from the printed top left
    A picture too small for any of them is not even read, and what cannot be read any more is not measured.
    """
    nothing = AuxiliaryTargets(NOT_MEASURED, NOT_MEASURED, NOT_MEASURED)
    density = side_lengths(quad).max() / card_size(quad).height_mm
    if density < centering.LEAST_PX_PER_MM:
        return nothing
    try:
        rgb, times = read_reduced(path, shrink=density / MOST_PX_PER_MM / SPARE_FOR_REDUCING)
    except BadPicture:  # it was readable when its pixels were prepared; the card trains on without these targets
        return nothing
    quad = (quad + 0.5) / times - 0.5
    return auxiliary_targets(measure_found(rgb, quad, kind, most_px_per_mm=MOST_PX_PER_MM))
