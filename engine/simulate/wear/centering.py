"""How the print lies on its card: off centre and tilted, by just as much as a wanted centering says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from engine.image.rectify import CardSize
from engine.simulate.wear.rim import area_mm2
from engine.simulate.wear.truth import Centering, Defect, centering_of, rounded

MOST_TILT_DEG = 1.6
LOOSEST_MM = 0.7  # how far a print without borders is off, at most


@dataclass(frozen=True)
class Placement:
    """A print's middle lies `shift_mm` from the card's middle, turned clockwise by `tilt_deg` around it."""

    shift_mm: tuple[float, float]
    tilt_deg: float

    def matrix(self) -> np.ndarray:
        """(2, 2) rotation from the print to the card."""
        cos, sin = np.cos(np.radians(self.tilt_deg)), np.sin(np.radians(self.tilt_deg))
        return np.array([(cos, -sin), (sin, cos)])

    def frame_on_card(self, frame_mm: tuple[float, float], size: CardSize) -> np.ndarray:
        """(4, 2) mm on the card: corners of a printed frame of that width and height, clockwise from its top left."""
        corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]) * frame_mm
        return corners @ self.matrix().T + np.array([size.width_mm, size.height_mm]) / 2 + self.shift_mm


def place_print(
    random: Generator, shares: tuple[float, float], frame_mm: tuple[float, float], size: CardSize
) -> Placement:
    """A placement whose larger shares across and down, at the worse end of the frame, are exactly those (percent).

    More than 100 cuts into the frame.
    """
    outer = np.array([size.width_mm, size.height_mm])
    room = (np.array(shares) - 50) / 100 * (outer - frame_mm)
    across = np.array(frame_mm[::-1]) / 2  # half of the side along which a tilt shifts the border
    most = min(float((room / across).min()), np.sin(np.radians(MOST_TILT_DEG)))
    sin = most * float(random.uniform(0, 0.8))
    cos = np.sqrt(1 - sin**2)
    shift = (np.array(shares) - 50) / 100 * (outer - np.array(frame_mm) * cos) - across * sin
    sign = random.choice([-1.0, 1.0], 3)
    x, y = np.maximum(shift, 0) * sign[:2]
    return Placement((float(x), float(y)), float(np.degrees(np.arcsin(sin)) * sign[2]))


def place_loosely(random: Generator) -> Placement:
    """A placement of a print without borders, which nobody can see."""
    x, y = random.uniform(-LOOSEST_MM, LOOSEST_MM, 2)
    return Placement((float(x), float(y)), float(random.normal(0, 0.2)))


def centering(placement: Placement, frame_mm: tuple[float, float], size: CardSize) -> Centering:
    """The truth of a placement."""
    frame = placement.frame_on_card(frame_mm, size)
    return centering_of([(x, y) for x, y in frame], size.width_mm, size.height_mm, placement.tilt_deg)


def miscut(placement: Placement, frame_mm: tuple[float, float], size: CardSize) -> list[Defect]:
    """Where the cut ran inside the frame: the part of the frame that is gone, one defect an edge."""
    frame = placement.frame_on_card(frame_mm, size)
    ends = ((0, 1, 1, 0.0), (1, 2, 0, size.width_mm), (2, 3, 1, size.height_mm), (3, 0, 0, 0.0))
    defects = []
    for edge, (first, last, axis, cut) in enumerate(ends):
        outward = -1.0 if edge in (0, 3) else 1.0
        past = outward * (frame[[first, last], axis] - cut)
        if past.max() <= 0:
            continue
        onto_cut = frame[[last, first]].copy()
        onto_cut[:, axis] = cut
        strip = np.concatenate([frame[[first, last]], onto_cut])
        middle = strip.mean(axis=0)
        defects.append(
            Defect(
                kind="miscut",
                at_mm=(rounded(middle[0]), rounded(middle[1])),
                points_mm=[(rounded(x), rounded(y)) for x, y in strip],
                length_mm=rounded(float(np.linalg.norm(frame[last] - frame[first]))),
                area_mm2=rounded(area_mm2(strip)),
                depth_mm=rounded(past.max()),
                edge=edge,
            )
        )
    return defects
