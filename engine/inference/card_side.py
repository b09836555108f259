"""One side of a card: its picture, the card found in it, and what is measured on it.

The picture is decoded once and rectified once for each scale: at 8 px/mm for the quality, for the comparison of the
sides and for the page; at 5 px/mm with its surroundings, for lines of a holder; at up to 20 px/mm for the measurements
and the line editor; to the network's canvas. What is used more than once is made when it is first needed, and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np

from engine.cached_attribute import cached_attribute
from engine.cards.rubric import Side
from engine.detection.card_sides import card_thumbnail
from engine.detection.read_and_find import read_and_find
from engine.image.detection import Detection
from engine.image.perspective import quad_geometry
from engine.image.quality import (
    DETECTION_CONFIDENCE,
    Quality,
    card_quality,
    rectify_for_quality,
    with_doubtful_outline,
)
from engine.image.read import read_bytes
from engine.image.rectify import CanvasSize, card_canvas, card_size, detected_px_per_mm, upright_quad
from engine.measure.centering.centering import MeasuredCentering, NoCentering
from engine.measure.centering.line_correction import Corrections, LineCorrection
from engine.measure.findings.findings import SideFindings, findings_of
from engine.measure.flat_card import FlatCard, rectify_with_margin
from engine.measure.outline_doubt import is_doubtful
from engine.measure.side.measure_side import SideMeasurements, measure_rectified_side, refine_by_edges
from engine.measure.subgrades.subgrades import Subgrade, subgrades
from engine.preprocessing.crops import region_crops
from engine.storage.file_hash import sha256_of_bytes

# Shown around the flat card: edges can be dragged this far beyond the detected card; detecting a sleeve or frame
# instead of the card errs by less.
WIDE_MARGIN_MM = 8.0
NO_CORRECTIONS: Corrections = {}
# Corners that the user laid, by the SHA-256 of the picture: (4, 2) pixels, clockwise from the printed top left.
Outlines = Mapping[str, np.ndarray]
NO_OUTLINES: Outlines = {}


@dataclass(frozen=True, eq=False)
class CardSide:
    """One side of a card.

    sha256      of the picture file
    rgb         (H, W, 3) uint8, the upright picture
    detection   the card, as found or as the user laid its corners
    correction  the user's lines, if any: millimeters count on their quad, in place of the detected one
    detected    the card as found, if the user laid its corners
    """

    sha256: str
    rgb: np.ndarray
    detection: Detection
    correction: LineCorrection | None = None
    detected: Detection | None = None

    @property
    def px_per_mm(self) -> float:
        """Resolution of the picture on the card."""
        return detected_px_per_mm(self.detection.quad)

    @property
    def is_landscape(self) -> bool:
        """True if the card is printed lengthwise: `card`, `canvas` and `crops` have its left side on top."""
        return quad_geometry(self.detection.quad, self.rgb.shape[:2]).aspect > 1

    @property
    def upright_quad(self) -> np.ndarray:
        """The detected quad, that of a card printed lengthwise beginning with its bottom left."""
        return upright_quad(self.detection.quad, self.rgb.shape[:2])

    @cached_attribute
    def card(self) -> np.ndarray:
        """The card alone, at most 8 px/mm, (H, W, 3) uint8: higher than wide."""
        return rectify_for_quality(self.rgb, self.detection)

    @cached_attribute
    def quality(self) -> Quality:
        """Quality of the picture on the card."""
        quality = card_quality(self.rgb, self.detection, self.card)
        return with_doubtful_outline(quality) if self.has_doubtful_outline else quality

    @cached_attribute
    def has_doubtful_outline(self) -> bool:
        """True if the outline may be a line of a holder or of the print, and no person has laid or seen it."""
        return self.detected is None and self.correction is None and is_doubtful(self.rgb, self.detection)

    @cached_attribute
    def thumbnail(self) -> np.ndarray:
        """The card for the comparison with the other side, (32, 24, 3) uint8."""
        return card_thumbnail(self.card)

    def canvas(self, size: CanvasSize) -> np.ndarray:
        """The rectified card on the network's canvas, (height, width, 3) uint8."""
        return card_canvas(self.rgb, self.upright_quad, size=size)

    def crops(self) -> np.ndarray:
        """Region crops of its corners and edges, (8, 9216, 3) uint8."""
        return region_crops(self.rgb, self.upright_quad)

    @cached_attribute
    def measurements(self) -> SideMeasurements:
        """All measurements, as the picture shows them: about a second of one core at 12 px/mm."""
        flat, edges = refine_by_edges(self.rgb, self._flat, wide_margin_mm=WIDE_MARGIN_MM)
        measurements = measure_rectified_side(flat, edges)
        return measurements if self.correction is None else measurements.on(self._flat)

    @cached_attribute
    def _flat(self) -> FlatCard:
        """The flat card of the corrected quad, or of the detected one."""
        if self.correction is None:
            quad, size = self.detection.quad, card_size(self.detection.quad, picture_size=self.rgb.shape[:2])
        else:
            quad, size = self.correction.quad, self.correction.size
        return rectify_with_margin(self.rgb, quad, size, self.detection.kind, wide_margin_mm=WIDE_MARGIN_MM)

    @property
    def is_certain(self) -> bool:
        """True if the card's outline is sure, or a person has seen it: only then is its centering measured."""
        detection = self.detection
        is_sure = detection.whole_picture or DETECTION_CONFIDENCE.verdict(detection.confidence) == "good"
        return (is_sure and not self.has_doubtful_outline) or self.correction is not None

    @cached_attribute
    def centering(self) -> MeasuredCentering | NoCentering:
        """The centering in effect: that of the correction if there is one, else the measured one."""
        if self.correction is not None:
            return self.correction.centering
        return self.measurements.centering if self.is_certain else NoCentering(DETECTION_CONFIDENCE.reason)

    @cached_attribute
    def findings(self) -> SideFindings:
        """The findings; none on corners, edges and border where it is not sure where the card ends."""
        return findings_of(self.measurements, at_rim=self.is_certain)

    @property
    def measurements_in_effect(self) -> SideMeasurements:
        """The measurements with the centering of the correction, if there is one."""
        return replace(self.measurements, centering=self.centering)


CardSides = Mapping[Side, CardSide | None]  # front, then back; None for a side without a picture


def find_side(path: Path) -> CardSide:
    """Read a picture and find the card in it. Raises BadPicture with one sentence naming the file."""
    content = read_bytes(path)
    rgb, detection = read_and_find(path, content)
    return CardSide(sha256_of_bytes(content), rgb, detection)


# Reads a picture and finds the card in it: `find_side`, or one that keeps what it found last.
FindSide = Callable[[Path], CardSide]


def open_side(
    path: Path,
    side: Side = "front",
    corrections: Corrections = NO_CORRECTIONS,
    outlines: Outlines = NO_OUTLINES,
    find: FindSide = find_side,
) -> CardSide:
    """One side of a card with the user's lines and corners, if there are any. Raises BadPicture."""
    found = find(path)
    correction = corrections.get((found.sha256, side))
    card_side = found if correction is None else replace(found, correction=correction)
    return card_side if found.sha256 not in outlines else with_outline(card_side, outlines[found.sha256])


def with_outline(side: CardSide, quad: np.ndarray) -> CardSide:
    """The side with its corners where the user laid them, (4, 2) pixels clockwise from the printed top left."""
    found = side.detection
    laid = replace(found, quad=quad, confidence=1.0, whole_picture=False, upright_known=True, bow_px=0.0, note="")
    return CardSide(side.sha256, side.rgb, laid, side.correction, found)


def open_sides(
    front: Path | None,
    back: Path | None,
    corrections: Corrections = NO_CORRECTIONS,
    outlines: Outlines = NO_OUTLINES,
    find: FindSide = find_side,
) -> CardSides:
    """Open both sides at the same time, with their quality. Raises BadPicture, of the front first."""
    paths: dict[Side, Path | None] = {"front": front, "back": back}
    with ThreadPoolExecutor(len(paths)) as pool:
        opened = {
            side: pool.submit(_open, path, side, corrections, outlines, find) for side, path in paths.items() if path
        }
    return {side: opened[side].result() if side in opened else None for side in paths}


def _open(path: Path, side: Side, corrections: Corrections, outlines: Outlines, find: FindSide) -> CardSide:
    card_side = open_side(path, side, corrections, outlines, find)
    _ = card_side.quality  # computed here, in the side's own thread
    return card_side


def card_subgrades(sides: CardSides, on: date) -> dict[str, Subgrade]:
    """Sub-grades of the sides of a card under the rubric of a day."""
    measured = {name: None if side is None else side.measurements_in_effect for name, side in sides.items()}
    return subgrades(measured, on)


def measure_sides(sides: CardSides) -> None:
    """Measure both sides at the same time; their `measurements` are there at once afterwards."""
    present = [side for side in sides.values() if side is not None]
    with ThreadPoolExecutor(len(sides)) as pool:
        list(pool.map(lambda side: side.measurements, present))
