"""Pictures of a graded card for an HTML report: small JPEG files as data URIs."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping

import numpy as np
from PIL import Image

from app.grading.annotate import annotated_picture
from app.grading.pictures import pictures_of
from db.schema import Side
from engine.inference.grade_card import GradedCard

# Longest side in pixels: the measured card fills a quarter of a page, at 250 dpi.
MAX_SIDE_PX = {"measured": 900, "quad": 500, "overlay": 400, "thumbnail": 120}
JPEG_QUALITY = 80
Pictures = Mapping[Side, Mapping[str, str]]  # data URIs by side and name


def embedded_pictures(graded: GradedCard) -> dict[Side, dict[str, str]]:
    """Data URIs of each side: `measured` (lines and findings), `quad` (the outline), `overlay` if it was computed."""
    pictures: dict[Side, dict[str, str]] = {}
    for side, card_side in graded.sides.items():
        named = {} if card_side is None else {**pictures_of(graded, side), "measured": annotated_picture(card_side)}
        pictures[side] = {name: data_uri(named[name], MAX_SIDE_PX[name]) for name in MAX_SIDE_PX if name in named}
    return pictures


def thumbnail(graded: GradedCard) -> str:
    """Data URI of the first side that the card has."""
    side = next(side for side in graded.sides.values() if side is not None)
    return data_uri(side.card, MAX_SIDE_PX["thumbnail"])


def data_uri(rgb: np.ndarray, max_side_px: int) -> str:
    """A picture, (H, W, 3) uint8, as a JPEG of at most this many pixels on its longer side, in a data URI."""
    image = Image.fromarray(rgb)
    image.thumbnail((max_side_px, max_side_px))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
