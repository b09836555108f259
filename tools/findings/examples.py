"""A measured side with what is known of its wear, and its file."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2

from engine.measure.flat_card import FlatCard
from engine.measure.side.measure_side import SideMeasurements
from engine.simulate.wear.truth import SideName, SideWear

Half = Literal["fit", "judge"]
Source = Literal["simulated", "mint", "render", "worn_real", "real"]
Capture = Literal["scan", "photo", "slab", "sleeve", "window"]


@dataclass(frozen=True)
class MeasuredExample:
    """One measured side.

    truth   its wear, in millimeters on the card; None for a real side
    grade   of the card: the simulated one, or the real one; None for a render
    flat    the rectified card that was measured
    """

    name: str
    source: Source
    half: Half
    capture: Capture
    side: SideName
    card: str
    grade: float | None
    attributes: dict[str, int] | None
    truth: SideWear | None
    is_foil: bool
    whole_picture: bool
    measurements: SideMeasurements
    flat: FlatCard


def encoded(example: MeasuredExample) -> bytes:
    """The example for its file, the picture as PNG."""
    png = cv2.imencode(".png", example.flat.rgb)[1]
    return pickle.dumps(replace(example, flat=replace(example.flat, rgb=png)))


def read_example(path: Path) -> MeasuredExample:
    """Read an example that `encoded` wrote."""
    example: MeasuredExample = pickle.loads(path.read_bytes())
    return replace(example, flat=replace(example.flat, rgb=cv2.imdecode(example.flat.rgb, cv2.IMREAD_COLOR)))


def read_measurements(path: Path) -> MeasuredExample:
    """Read an example without decoding its picture."""
    example: MeasuredExample = pickle.loads(path.read_bytes())
    return example
