"""Placement of the print on its card: the shift and tilt that produce a given centering."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from engine.image.rectify import CardSize
from engine.simulate.wear.rim import area_mm2
from engine.simulate.wear.truth import CenteringTruth, Defect, centering_from_frame, rounded

MAX_TILT_DEG = 1.6
MAX_BORDERLESS_SHIFT_MM = 0.7  # maximum shift of a print without borders


@dataclass(frozen=True)
class Placement:
    """Shift of a print's centre from the card's centre, and its clockwise rotation around it."""

    shift_mm: tuple[float, float]
    tilt_deg: float

    def rotation(self) -> np.ndarray:
        """Rotation matrix, (2, 2), from the print to the card."""
        cos, sin = np.cos(np.radians(self.tilt_deg)), np.sin(np.radians(self.tilt_deg))
        return np.array([(cos, -sin), (sin, cos)])

    def frame_on_card(self, frame_mm: tuple[float, float], size: CardSize) -> np.ndarray:
        """Corners, (4, 2) mm on the card, of a printed frame of this width and height, clockwise from its top left."""
        corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]) * frame_mm
        return corners @ self.rotation().T + np.array([size.width_mm, size.height_mm]) / 2 + self.shift_mm


def place_print(
    random: Generator, percents: tuple[float, float], frame_mm: tuple[float, float], size: CardSize
) -> Placement:
    """Draw a placement with exactly these larger borders at the worse end of the frame.

    percents  (left-right, top-bottom); more than 100 % cuts into the frame
    """
    outer = np.array([size.width_mm, size.height_mm])
    max_shift = (np.array(percents) - 50) / 100 * (outer - frame_mm)
    half_sides = np.array(frame_mm[::-1]) / 2  # half of the frame's side along which a tilt shifts the border
    max_sin = min(float((max_shift / half_sides).min()), np.sin(np.radians(MAX_TILT_DEG)))
    sin = max_sin * float(random.uniform(0, 0.8))
    cos = np.sqrt(1 - sin**2)
    shift = (np.array(percents) - 50) / 100 * (outer - np.array(frame_mm) * cos) - half_sides * sin
    sign = random.choice([-1.0, 1.0], 3)
    x, y = np.maximum(shift, 0) * sign[:2]
    return Placement((float(x), float(y)), float(np.degrees(np.arcsin(sin)) * sign[2]))


def place_borderless_print(random: Generator) -> Placement:
    """Draw the placement of a print without borders: a small shift and tilt, invisible in the picture."""
    x, y = random.uniform(-MAX_BORDERLESS_SHIFT_MM, MAX_BORDERLESS_SHIFT_MM, 2)
    return Placement((float(x), float(y)), float(random.normal(0, 0.2)))


def centering_truth(placement: Placement, frame_mm: tuple[float, float], size: CardSize) -> CenteringTruth:
    """Ground truth of the centering of a placement."""
    frame = placement.frame_on_card(frame_mm, size)
    return centering_from_frame([(x, y) for x, y in frame], size.width_mm, size.height_mm, placement.tilt_deg)


def miscut_defects(placement: Placement, frame_mm: tuple[float, float], size: CardSize) -> list[Defect]:
    """Defects of a cut inside the frame: the missing part of the frame, one defect per edge."""
    frame = placement.frame_on_card(frame_mm, size)
    ends = ((0, 1, 1, 0.0), (1, 2, 0, size.width_mm), (2, 3, 1, size.height_mm), (3, 0, 0, 0.0))
    defects = []
    for edge, (first, last, axis, cut) in enumerate(ends):
        outward = -1.0 if edge in (0, 3) else 1.0
        overlap = outward * (frame[[first, last], axis] - cut)
        if overlap.max() <= 0:
            continue
        cut_line = frame[[last, first]].copy()
        cut_line[:, axis] = cut
        strip = np.concatenate([frame[[first, last]], cut_line])
        middle = strip.mean(axis=0)
        defects.append(
            Defect(
                kind="miscut",
                at_mm=(rounded(middle[0]), rounded(middle[1])),
                points_mm=[(rounded(x), rounded(y)) for x, y in strip],
                length_mm=rounded(float(np.linalg.norm(frame[last] - frame[first]))),
                area_mm2=rounded(area_mm2(strip)),
                depth_mm=rounded(overlap.max()),
                edge=edge,
            )
        )
    return defects
