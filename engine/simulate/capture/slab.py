"""Graders' slabs: the case, the card, and above it the label with the grade, which a model must not read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from engine.cards.grades import grade_name
from engine.simulate.capture.holders import Plane, add_reflections, draw_ring, insert_card, round_corners
from engine.simulate.print.games import Grid
from engine.simulate.print.lettering import Color, write_text
from engine.simulate.wear.masks import Patch
from engine.simulate.wear.truth import CaptureKind

LABEL_COLORS: tuple[Color, ...] = ((186, 32, 44), (30, 62, 130), (24, 24, 26), (40, 110, 74), (190, 150, 60))


@dataclass(frozen=True)
class SlabShape:
    """A grader's case, in millimeters from its top left.

    label_mm     left, top, right, bottom of the label
    card_middle  height of the card's middle
    insert       color of an opaque insert around the card, None if the case is clear
    """

    case_mm: tuple[float, float]
    label_mm: tuple[float, float, float, float]
    card_middle_mm: float
    insert: Color | None = None


SLAB_SHAPES: dict[CaptureKind, SlabShape] = {
    "slab": SlabShape((82.0, 135.0), (3.5, 4.0, 78.5, 25.0), 80.5),
    "slab_bgs": SlabShape((84.0, 138.0), (4.0, 4.0, 80.0, 27.0), 83.5),
    "slab_cgc": SlabShape((81.0, 136.0), (5.0, 5.0, 76.0, 23.0), 80.0),
    "slab_sgc": SlabShape((81.0, 130.0), (3.0, 3.0, 78.0, 19.0), 74.5, insert=(16, 16, 18)),
}


@dataclass(frozen=True)
class SlabLabel:
    """Text on the label above the card."""

    grade: float
    title: str
    line: str
    number: str


def in_slab(
    random: Generator,
    face: np.ndarray,
    uncovered: Sequence[Patch],
    grid: Grid,
    label: SlabLabel | None,
    label_color: Color,
    shape: SlabShape,
) -> Plane:
    """The card in a grader's case, below a label: with the grade on the front, without it on the back (None)."""
    density = grid.px_per_mm
    width, height = (round(mm * density) for mm in shape.case_mm)
    haze = float(random.uniform(0.2, 0.5))
    tone = int(random.integers(205, 236))
    rgb = np.full((height, width, 3), tone * haze, np.uint8)
    alpha = np.full((height, width), 255 * haze, np.uint8)
    for inset_mm, thickness_mm, level, cover in ((0.0, 1.0, 215, 190), (1.4, 0.4, 120, 150), (2.3, 0.3, 240, 200)):
        draw_ring(
            rgb,
            alpha,
            (inset_mm, inset_mm, shape.case_mm[0] - inset_mm, shape.case_mm[1] - inset_mm),
            thickness_mm,
            (level, cover),
            density,
        )
    if shape.insert is not None:
        insert = np.s_[round((shape.label_mm[3] + 1) * density) : height - round(3 * density)]
        rgb[insert, round(3 * density) : width - round(3 * density)] = shape.insert
        alpha[insert, round(3 * density) : width - round(3 * density)] = 255
    card_mm = (grid.size.width_mm, grid.size.height_mm)
    left, top = (shape.case_mm[0] - card_mm[0]) / 2, shape.card_middle_mm - card_mm[1] / 2
    gap = float(random.uniform(0.8, 2.0))
    well = (left - gap, top - gap, left + card_mm[0] + gap, top + card_mm[1] + gap)
    draw_ring(rgb, alpha, well, 0.7, (int(random.integers(150, 240)), 170), density)
    _draw_label(random, rgb, alpha, label, label_color, density, shape.label_mm)
    corner = (round(left * density), round(top * density))
    plane = insert_card(rgb, alpha, face, uncovered, corner)
    film = float(random.uniform(0.0, 0.05))
    cv2.addWeighted(rgb, 1 - film, np.full_like(rgb, 236), film, 0, dst=rgb)
    add_reflections(random, rgb, alpha)
    round_corners(rgb, alpha, round(3.0 * density))
    return plane


def _draw_label(
    random: Generator,
    rgb: np.ndarray,
    alpha: np.ndarray,
    label: SlabLabel | None,
    label_color: Color,
    density: float,
    label_mm: tuple[float, float, float, float],
) -> None:
    """Draw the label: a colored rim, the card's name, and on the front its grade in words and large figures."""
    left, top, right, bottom = (round(mm * density) for mm in label_mm)
    alpha[top:bottom, left:right] = 255
    rgb[top:bottom, left:right] = label_color
    inset = round(1.1 * density)
    paper = rgb[top + inset : bottom - inset, left + inset : right - inset]
    paper[:] = (246, 246, 242)
    height, width = paper.shape[:2]
    ink: Color = (24, 24, 26)
    if label is None:
        write_text(
            paper,
            "CERTIFIED CARD GRADING",
            (width / 2, height * 0.3),
            size_px=height * 0.2,
            color=label_color,
            face="serif_bold",
            align="middle",
        )
        _draw_barcode(random, paper[int(height * 0.5) : int(height * 0.85), int(width * 0.2) : int(width * 0.8)])
        return
    for row, (text, face_size) in enumerate(((label.line, 0.15), (label.title.upper(), 0.17), (label.number, 0.15))):
        write_text(
            paper,
            text,
            (width * 0.03, height * (0.17 + 0.2 * row)),
            size_px=height * face_size,
            color=ink,
            max_width_px=width * 0.58,
        )
    _draw_barcode(random, paper[int(height * 0.7) : int(height * 0.92), int(width * 0.03) : int(width * 0.4)])
    name = grade_name(label.grade).upper()
    write_text(
        paper,
        name,
        (width * 0.97, height * 0.18),
        size_px=height * 0.18,
        color=ink,
        face="bold",
        align="right",
        max_width_px=width * 0.36,
    )
    grade_text = f"{label.grade:g}"
    write_text(
        paper, grade_text, (width * 0.97, height * 0.5), size_px=height * 0.38, color=ink, face="bold", align="right"
    )
    certificate = str(random.integers(10_000_000, 99_999_999))
    write_text(
        paper, certificate, (width * 0.97, height * 0.84), size_px=height * 0.15, color=ink, face="mono", align="right"
    )


def _draw_barcode(random: Generator, area: np.ndarray) -> None:
    width = area.shape[1]
    stripes = np.repeat(random.random(width // 3 + 1) < 0.5, 3)[:width]
    area[:, stripes] = 30
