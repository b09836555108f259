"""Training targets of the auxiliary heads, from a measured side."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.image.detection import PictureKind
from engine.image.quads import side_lengths
from engine.image.read import BadPicture, read_reduced
from engine.image.rectify import card_size
from engine.measure.centering import centering
from engine.measure.centering.centering import MeasuredCentering
from engine.measure.side.measure_side import SideMeasurements, measure_detected_side
from engine.measure.surface import surface

NOT_MEASURED = float("nan")
# Just below the minimum of the surface, which is no target and takes three quarters of the time. On simulated scans
# centering is then .18 points off in the median instead of .10, and the rank correlation of edge damage is still .91.
MAX_TARGET_PX_PER_MM = 0.99 * surface.MIN_PX_PER_MM
# A reduced decoding keeps at least this many times the resolution that is measured at.
DECODING_MARGIN = 2.0


class AuxiliaryTargets(NamedTuple):
    """Targets of one side, NaN if not measured.

    edge_damage    0 to 1: fraction of the four edges' length that has lost its print
    left_fraction  left border as a fraction of left and right, 0 to 1
    top_fraction   top border as a fraction of top and bottom, 0 to 1
    """

    edge_damage: float
    left_fraction: float
    top_fraction: float


def side_targets(side: SideMeasurements) -> AuxiliaryTargets:
    """Compute the targets of a measured side."""
    fractions = [edge.damaged_fraction for edge in side.edges if edge.damaged_fraction is not None]
    damage = sum(fractions) / len(fractions) if len(fractions) == 4 else NOT_MEASURED
    if isinstance(side.centering, MeasuredCentering):
        return AuxiliaryTargets(damage, side.centering.left_fraction, side.centering.top_fraction)
    return AuxiliaryTargets(damage, NOT_MEASURED, NOT_MEASURED)


def measure_targets(path: Path, quad: np.ndarray, kind: PictureKind) -> AuxiliaryTargets:
    """Measure the card in a picture file for its targets alone: about a tenth of a second.

    quad     (4, 2) pixels of the whole upright picture, clockwise from the printed top left
    returns  all NaN if the picture cannot be read; one too small for any target is not read at all
    """
    nothing = AuxiliaryTargets(NOT_MEASURED, NOT_MEASURED, NOT_MEASURED)
    size = card_size(quad)
    density = side_lengths(quad).max() / max(size.width_mm, size.height_mm)
    if density < centering.MIN_PX_PER_MM:
        return nothing
    try:
        rgb, reduction = read_reduced(path, max_reduction=density / MAX_TARGET_PX_PER_MM / DECODING_MARGIN)
    except BadPicture:  # readable when its pixels were prepared; the card is trained on without these targets
        return nothing
    quad = (quad + 0.5) / reduction - 0.5
    return side_targets(measure_detected_side(rgb, quad, kind, max_px_per_mm=MAX_TARGET_PX_PER_MM))
