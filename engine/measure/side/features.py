"""A measured side as numbers a network can take: what the rubric asks about, each about 0 to 1, the worst first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from engine.errors import BadInput
from engine.image.detection import Kind
from engine.image.read import read_picture
from engine.measure.centering.centering import Centering, NoCentering
from engine.measure.side.measure_side import measure_found
from engine.measure.side.targets import NOT_MEASURED
from engine.measure.surface.surface import NoSurface, Surface
from engine.measure.wear.corners import Corner
from engine.measure.wear.edges import EdgeWear
from engine.measure.wear.stains import Stain

# Amounts are told as log(1 + amount / scale) / log(1 + most / scale): a tenth of a millimetre more matters on a sharp
# corner and not on a ruined one. Scale: about what is first seen. Most: about what ruins a card.
CORNER_AMOUNTS = {"whitening_mm2": (0.05, 20.0), "rounding_mm": (0.1, 5.0), "fray_mm": (0.3, 14.0)}
EDGE_AMOUNTS = {"whitening_mm": (0.5, 60.0), "chipping_mm": (0.4, 30.0), "area_mm2": (0.1, 30.0)}
LINE_AMOUNT = (2.0, 300.0)
STAIN_AMOUNT = (2.0, 700.0)
NICK_DEPTH_MM = (0.05, 3.0)
RESOLUTION = (3.0, 25.0)

FEATURES: tuple[str, ...] = (
    *("lr", "tb", "worse_axis", "uncertainty"),
    *(f"corner_{name}_{rank}" for name in CORNER_AMOUNTS for rank in ("worst", "second", "mean", "seen")),
    *(f"edge_{name}_{rank}" for name in EDGE_AMOUNTS for rank in ("worst", "second", "mean", "seen")),
    *("deepest_nick", "scratches", "longest_scratch", "creases", "longest_crease", "likeliest", "patterned"),
    *("stains", "largest_stain", "darkest_stain"),
    "px_per_mm",
)


class MeasuredSide(Protocol):
    """What is read off a measured side."""

    @property
    def px_per_mm(self) -> float:
        """Of the card laid flat."""

    @property
    def centering(self) -> Centering | NoCentering:
        """Of its print."""

    @property
    def corners(self) -> Sequence[Corner] | None:
        """Four, or None where the resolution hides wear."""

    @property
    def edges(self) -> Sequence[EdgeWear] | None:
        """Likewise."""

    @property
    def surface(self) -> Surface | NoSurface:
        """Its lines."""

    @property
    def stains(self) -> Sequence[Stain] | None:
        """On the printed border; None where that is unknown."""


def features_of(side: MeasuredSide) -> np.ndarray:
    """(F,) float32 in the order of FEATURES, NaN where not measured. A mirrored card has the same."""
    return np.array(
        [
            *_centering(side.centering),
            *_parts(side.corners or (), CORNER_AMOUNTS),
            *_parts(side.edges or (), EDGE_AMOUNTS),
            _deepest_nick(side.edges or ()),
            *_surface(side.surface),
            *_stains(side.stains),
            _amount(side.px_per_mm, RESOLUTION),
        ],
        np.float32,
    )


def measured_features(path: Path, quad: np.ndarray, kind: Kind) -> np.ndarray:
    """Measure the card in a picture file for its features: about a third of a second at 12 px/mm.

    quad     (4, 2) pixels of the whole upright picture, clockwise from the printed top left
    returns  (F,) float32; all NaN where the picture cannot be read any more or its card not be measured
    """
    try:
        return features_of(measure_found(read_picture(path), quad, kind))
    except BadInput:  # not readable any more, or nothing that can be measured: the card is graded by its pixels
        return np.full(len(FEATURES), NOT_MEASURED, np.float32)


def _amount(value: float, scale: tuple[float, float]) -> float:
    first, most = scale
    return float(np.log1p(max(value, 0.0) / first) / np.log1p(most / first))


def _centering(centering: Centering | NoCentering) -> list[float]:
    """Both axes and the worse one, 0 centred to 1 without a border; and how uncertain that is."""
    if isinstance(centering, NoCentering):
        return [NOT_MEASURED] * 4
    uncertainty = max(centering.lr_uncertainty, centering.tb_uncertainty)
    return [(share - 50) / 50 for share in (centering.lr, centering.tb, centering.worst)] + [min(uncertainty / 10, 1.0)]


def _parts(parts: Sequence[Corner] | Sequence[EdgeWear], amounts: dict[str, tuple[float, float]]) -> Iterable[float]:
    """Of each amount the worst, the second, the mean, and the share of the four parts on which it was measured."""
    for name, scale in amounts.items():
        told = sorted(_amount(value, scale) for part in parts if (value := getattr(part, name)) is not None)
        worst, second = (told[-rank] if len(told) >= rank else NOT_MEASURED for rank in (1, 2))
        yield from (worst, second, float(np.mean(told)) if told else NOT_MEASURED, len(told) / 4)


def _deepest_nick(edges: Sequence[EdgeWear]) -> float:
    if all(edge.whitening_mm is None for edge in edges):
        return NOT_MEASURED
    return _amount(max((nick.depth_mm for edge in edges for nick in edge.nicks), default=0.0), NICK_DEPTH_MM)


def _surface(surface: Surface | NoSurface) -> list[float]:
    if isinstance(surface, NoSurface):
        return [NOT_MEASURED] * 6
    told = []
    for kind in ("scratch", "crease"):
        lengths = [find.length_mm for find in surface.finds if find.kind == kind]
        told += [_amount(sum(lengths), LINE_AMOUNT), _amount(max(lengths, default=0.0), LINE_AMOUNT)]
    return [*told, max((find.likelihood for find in surface.finds), default=0.0), float(surface.patterned)]


def _stains(stains: Sequence[Stain] | None) -> list[float]:
    if stains is None:
        return [NOT_MEASURED] * 3
    areas = [stain.area_mm2 for stain in stains]
    darkest = max((stain.strength for stain in stains), default=0.0)
    return [_amount(sum(areas), STAIN_AMOUNT), _amount(max(areas, default=0.0), STAIN_AMOUNT), min(darkest, 1.0)]
