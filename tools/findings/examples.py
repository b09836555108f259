"""A measured side with what is known of its wear, and its file."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from engine.measure.side.measure_side import SideMeasurements
from engine.simulate.wear.truth import SideName, SideWear

NO_PICTURE = np.zeros((1, 1, 3), np.uint8)
Half = Literal["fit", "judge"]
Source = Literal["simulated", "mint", "render", "worn_real", "real"]


@dataclass(frozen=True)
class MeasuredExample:
    """One measured side.

    grade    of the card: the simulated one, or the real one
    truth    its wear, in millimeters on the card; None for a real side
    """

    name: str
    source: Source
    half: Half
    side: SideName
    card: str
    grade: float
    measurements: SideMeasurements
    truth: SideWear | None = None
    is_foil: bool = False


def write_example(path: Path, example: MeasuredExample) -> None:
    """Write an example without its pictures."""
    flat = replace(example.measurements.flat, rgb=NO_PICTURE, wide_rgb=NO_PICTURE)
    path.write_bytes(pickle.dumps(replace(example, measurements=replace(example.measurements, flat=flat))))


def read_example(path: Path) -> MeasuredExample:
    """Read an example that `write_example` wrote."""
    example: MeasuredExample = pickle.loads(path.read_bytes())
    return example
