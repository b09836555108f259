"""Feature vector of a measured side for the network: what the rubric asks about, scaled to about 0 to 1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from engine.errors import BadInput
from engine.image.detection import PictureKind
from engine.image.read import read_picture
from engine.measure.centering.centering import MeasuredCentering, NoCentering
from engine.measure.side.measure_side import SideMeasurements, measure_detected_side
from engine.measure.side.targets import NOT_MEASURED
from engine.measure.surface.surface import NoSurface, Surface
from engine.measure.wear.corners import CornerWear
from engine.measure.wear.edges import EdgeWear
from engine.measure.wear.stains import Stain

# (scale, max): an amount is scaled to log(1 + amount / scale) / log(1 + max / scale), since a tenth of a millimeter
# matters on a sharp corner and not on a ruined one. `scale` is about what is first visible, `max` what ruins a card.
CORNER_AMOUNTS = {"whitening_mm2": (0.05, 20.0), "rounding_mm": (0.1, 5.0), "fray_mm": (0.3, 14.0)}
EDGE_AMOUNTS = {"whitening_mm": (0.5, 60.0), "chipping_mm": (0.4, 30.0), "area_mm2": (0.1, 30.0)}
LINE_AMOUNT = (2.0, 300.0)
STAIN_AMOUNT = (2.0, 700.0)
NICK_DEPTH_MM = (0.05, 3.0)
RESOLUTION = (3.0, 25.0)

# Order and number are part of a trained model and of the cached vectors.
FEATURE_NAMES: tuple[str, ...] = (
    *("lr", "tb", "worse_axis", "uncertainty"),
    *(f"corner_{name}_{rank}" for name in CORNER_AMOUNTS for rank in ("worst", "second", "mean", "seen")),
    *(f"edge_{name}_{rank}" for name in EDGE_AMOUNTS for rank in ("worst", "second", "mean", "seen")),
    *("deepest_nick", "scratches", "longest_scratch", "creases", "longest_crease", "likeliest", "patterned"),
    *("stains", "largest_stain", "darkest_stain"),
    "px_per_mm",
)


def feature_vector(side: SideMeasurements) -> np.ndarray:
    """(F,) float32 in the order of FEATURE_NAMES, NaN if not measured. Invariant to mirroring the card."""
    return np.array(
        [
            *_centering(side.centering),
            *_parts(side.corners, CORNER_AMOUNTS),
            *_parts(side.edges, EDGE_AMOUNTS),
            _deepest_nick(side.edges),
            *_surface(side.surface),
            *_stains(side.stains),
            _scaled(side.px_per_mm, RESOLUTION),
        ],
        np.float32,
    )


def measure_features(path: Path, quad: np.ndarray, kind: PictureKind) -> np.ndarray:
    """Measure the card in a picture file for its features: about a third of a second at 12 px/mm.

    quad     (4, 2) pixels of the whole upright picture, clockwise from the printed top left
    returns  (F,) float32; all NaN if the picture cannot be read or its card cannot be measured
    """
    try:
        return feature_vector(measure_detected_side(read_picture(path), quad, kind))
    except BadInput:  # no longer readable, or not measurable: the card is graded by its pixels alone
        return np.full(len(FEATURE_NAMES), NOT_MEASURED, np.float32)


def _scaled(amount: float, scale_and_max: tuple[float, float]) -> float:
    scale, maximum = scale_and_max
    return float(np.log1p(max(amount, 0.0) / scale) / np.log1p(maximum / scale))


def _centering(centering: MeasuredCentering | NoCentering) -> list[float]:
    """Both axes and the worse one, from 0 (centered) to 1 (no border), and their uncertainty."""
    if isinstance(centering, NoCentering):
        return [NOT_MEASURED] * 4
    uncertainty = max(centering.lr_uncertainty, centering.tb_uncertainty)
    axes = (centering.lr, centering.tb, centering.worse_axis)
    return [(percent - 50) / 50 for percent in axes] + [min(uncertainty / 10, 1.0)]


def _parts(
    parts: Sequence[CornerWear] | Sequence[EdgeWear], amounts: dict[str, tuple[float, float]]
) -> Iterable[float]:
    """Worst, second and mean of each amount, and the fraction of the four parts on which it was measured."""
    for name, scale_and_max in amounts.items():
        values = sorted(_scaled(amount, scale_and_max) for part in parts if (amount := getattr(part, name)) is not None)
        worst, second = (values[-rank] if len(values) >= rank else NOT_MEASURED for rank in (1, 2))
        yield from (worst, second, float(np.mean(values)) if values else NOT_MEASURED, len(values) / 4)


def _deepest_nick(edges: Sequence[EdgeWear]) -> float:
    if all(edge.whitening_mm is None for edge in edges):
        return NOT_MEASURED
    return _scaled(max((nick.depth_mm for edge in edges for nick in edge.nicks), default=0.0), NICK_DEPTH_MM)


def _surface(surface: Surface | NoSurface) -> list[float]:
    """Total and longest length of scratches and of creases, the highest likelihood of wear, and the pattern flag."""
    if isinstance(surface, NoSurface):
        return [NOT_MEASURED] * 6
    amounts = []
    for kind in ("scratch", "crease"):
        lengths = [defect.length_mm for defect in surface.defects if defect.kind == kind]
        amounts += [_scaled(sum(lengths), LINE_AMOUNT), _scaled(max(lengths, default=0.0), LINE_AMOUNT)]
    return [*amounts, max((defect.likelihood for defect in surface.defects), default=0.0), float(surface.patterned)]


def _stains(stains: Sequence[Stain] | None) -> list[float]:
    """Total and largest area, and the darkest strength."""
    if stains is None:
        return [NOT_MEASURED] * 3
    areas = [stain.area_mm2 for stain in stains]
    darkest = max((stain.strength for stain in stains), default=0.0)
    return [_scaled(sum(areas), STAIN_AMOUNT), _scaled(max(areas, default=0.0), STAIN_AMOUNT), min(darkest, 1.0)]
