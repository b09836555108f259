"""Line corrections: the eight centering lines of a side as a person laid them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import cv2
import numpy as np

from engine.cards.rubric import Side
from engine.image.card_coordinates import apply_homography, millimeters_to_picture
from engine.image.quads import quad_from_lines
from engine.image.rectify import CardSize, card_size
from engine.measure.centering.centering import BadLines, MeasuredCentering, centering_from_lines

MIN_LINE_MM = 1.0
CORRECTED_SIZE_NAME = "from the corrected edges"


@dataclass(frozen=True)
class LineCorrection:
    """The eight centering lines of one side, corrected by the user.

    quad               (4, 2) corners of the card in pixels of the upright picture, clockwise from the top left; they
                       define the millimeters
    physical, printed  (4, 2, 2) mm: two points each of the top, right, bottom and left line
    """

    quad: np.ndarray
    size: CardSize
    physical: np.ndarray
    printed: np.ndarray
    author: str = ""
    saved_at: datetime | None = None

    @property
    def centering(self) -> MeasuredCentering:
        """The centering that the lines give. Raises BadLines if they bound no frame."""
        return centering_from_lines(self.physical, self.printed)


Corrections = Mapping[tuple[str, Side], LineCorrection]  # keyed by the SHA-256 of the picture file and the side


def with_card_from_edges(correction: LineCorrection, picture_size: tuple[int, int]) -> LineCorrection:
    """The same lines in millimeters of the card that the corrected physical edges enclose.

    If detection was wrong, the card of 63 by 88 mm is the quad of the user's edges, not the detected one.

    picture_size  (height, width) of the upright picture in pixels
    raises        BadLines if the four edges enclose no card
    """
    directions = correction.physical[:, 1] - correction.physical[:, 0]
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    if (lengths < MIN_LINE_MM).any():
        raise BadLines("one card edge is a point; drag its ends apart")
    edges = list(zip(correction.physical[:, 0], directions / lengths, strict=True))
    corners = quad_from_lines(edges)
    if corners is None or not cv2.isContourConvex(corners.astype(np.float32)):
        raise BadLines("the four card edges enclose no card; drag them onto its sides")
    old_homography = millimeters_to_picture(correction.quad, correction.size)
    quad = apply_homography(old_homography, corners)
    size = card_size(quad, picture_size=picture_size)
    old_to_new = np.linalg.inv(millimeters_to_picture(quad, size)) @ old_homography
    return replace(
        correction,
        quad=quad,
        size=size,
        physical=apply_homography(old_to_new, correction.physical),
        printed=apply_homography(old_to_new, correction.printed),
    )
