"""A grader's slab: the case, the card in it, and the label above it that tells the grade: the trap for a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from engine.cards.grades import grade_name
from engine.simulate.capture.holders import Plane, laid_in, reflections
from engine.simulate.print.games import Grid
from engine.simulate.print.lettering import Colour, write
from engine.simulate.wear.masks import Patch

CASE_MM = (82.0, 135.0)
LABEL_MM = (3.5, 4.0, 78.5, 25.0)  # left, top, right, bottom in the case
CARD_MIDDLE_MM = 80.5  # down from the case's top
RIMS: tuple[Colour, ...] = ((186, 32, 44), (30, 62, 130), (24, 24, 26), (40, 110, 74), (190, 150, 60))


@dataclass(frozen=True)
class Label:
    """What a grader prints above the card."""

    grade: float
    title: str
    line: str
    number: str


def slabbed(
    random: Generator, face: np.ndarray, outside: Sequence[Patch], grid: Grid, label: Label | None, rim: Colour
) -> Plane:
    """The card in a grader's case. The label is above it: with the grade on the front, without on the back (None)."""
    density = grid.px_per_mm
    width, height = (round(mm * density) for mm in CASE_MM)
    haze = float(random.uniform(0.2, 0.5))
    tone = int(random.integers(205, 236))
    rgb = np.full((height, width, 3), tone * haze, np.uint8)
    alpha = np.full((height, width), 255 * haze, np.uint8)
    for inset_mm, thick_mm, level, cover in ((0.0, 1.0, 215, 190), (1.4, 0.4, 120, 150), (2.3, 0.3, 240, 200)):
        _ring(
            rgb,
            alpha,
            (inset_mm, inset_mm, CASE_MM[0] - inset_mm, CASE_MM[1] - inset_mm),
            thick_mm,
            (level, cover),
            density,
        )
    card_mm = (grid.size.width_mm, grid.size.height_mm)
    left, top = (CASE_MM[0] - card_mm[0]) / 2, CARD_MIDDLE_MM - card_mm[1] / 2
    gap = float(random.uniform(0.8, 2.0))
    well = (left - gap, top - gap, left + card_mm[0] + gap, top + card_mm[1] + gap)
    _ring(rgb, alpha, well, 0.7, (int(random.integers(150, 240)), 170), density)
    _paper(random, rgb, alpha, label, rim, density)
    corner = (round(left * density), round(top * density))
    plane = laid_in(rgb, alpha, face, outside, corner)
    film = float(random.uniform(0.0, 0.05))
    cv2.addWeighted(rgb, 1 - film, np.full_like(rgb, 236), film, 0, dst=rgb)
    reflections(random, rgb, alpha)
    _round_off(rgb, alpha, round(3.0 * density))
    return plane


def _ring(
    rgb: np.ndarray,
    alpha: np.ndarray,
    box_mm: tuple[float, float, float, float],
    thick_mm: float,
    level_and_cover: tuple[int, int],
    density: float,
) -> None:
    level, cover = level_and_cover
    left, top, right, bottom = (round(mm * density) for mm in box_mm)
    thick = max(1, round(thick_mm * density))
    for strip in (
        np.s_[top : top + thick, left:right],
        np.s_[bottom - thick : bottom, left:right],
        np.s_[top:bottom, left : left + thick],
        np.s_[top:bottom, right - thick : right],
    ):
        rgb[strip] = level * cover // 255
        alpha[strip] = cover


def _paper(
    random: Generator, rgb: np.ndarray, alpha: np.ndarray, label: Label | None, rim: Colour, density: float
) -> None:
    """The grader's label: a coloured rim, what the card is, and on the front its grade in words and large figures."""
    left, top, right, bottom = (round(mm * density) for mm in LABEL_MM)
    alpha[top:bottom, left:right] = 255
    rgb[top:bottom, left:right] = rim
    inset = round(1.1 * density)
    paper = rgb[top + inset : bottom - inset, left + inset : right - inset]
    paper[:] = (246, 246, 242)
    tall, wide = paper.shape[:2]
    ink: Colour = (24, 24, 26)
    if label is None:
        write(
            paper,
            "CERTIFIED CARD GRADING",
            (wide / 2, tall * 0.3),
            size_px=tall * 0.2,
            colour=rim,
            face="serif_bold",
            align="middle",
        )
        _bars(random, paper[int(tall * 0.5) : int(tall * 0.85), int(wide * 0.2) : int(wide * 0.8)])
        return
    for row, (words, face_size) in enumerate(((label.line, 0.15), (label.title.upper(), 0.17), (label.number, 0.15))):
        write(
            paper,
            words,
            (wide * 0.03, tall * (0.17 + 0.2 * row)),
            size_px=tall * face_size,
            colour=ink,
            most_px=wide * 0.58,
        )
    _bars(random, paper[int(tall * 0.7) : int(tall * 0.92), int(wide * 0.03) : int(wide * 0.4)])
    name = grade_name(label.grade).upper()
    write(
        paper,
        name,
        (wide * 0.97, tall * 0.18),
        size_px=tall * 0.18,
        colour=ink,
        face="bold",
        align="right",
        most_px=wide * 0.36,
    )
    figures = f"{label.grade:g}"
    write(paper, figures, (wide * 0.97, tall * 0.5), size_px=tall * 0.38, colour=ink, face="bold", align="right")
    certificate = str(random.integers(10_000_000, 99_999_999))
    write(paper, certificate, (wide * 0.97, tall * 0.84), size_px=tall * 0.15, colour=ink, face="mono", align="right")


def _bars(random: Generator, onto: np.ndarray) -> None:
    width = onto.shape[1]
    stripes = np.repeat(random.random(width // 3 + 1) < 0.5, 3)[:width]
    onto[:, stripes] = 30


def _round_off(rgb: np.ndarray, alpha: np.ndarray, radius: int) -> None:
    """Cut the case's corners round, in place."""
    away = np.arange(radius) + 0.5
    keep = np.clip(radius + 0.5 - np.hypot(*np.meshgrid(radius - away, radius - away)), 0, 1).astype(np.float32)
    for rows, flip in ((slice(0, radius), 1), (slice(-radius, None), -1)):
        for columns, mirror in ((slice(0, radius), 1), (slice(-radius, None), -1)):
            mask = keep[::flip, ::mirror]
            rgb[rows, columns] = (rgb[rows, columns] * mask[..., None]).astype(np.uint8)
            alpha[rows, columns] = (alpha[rows, columns] * mask).astype(np.uint8)
