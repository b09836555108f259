"""Result of card detection: a detection, or the reason for none. No torch import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.image.read import BadPicture

PictureKind = Literal["photo", "scan", "slab"]


class NoCard(BadPicture):
    """The picture does not show exactly one whole card; the message names the remedy, not the file."""


class SeveralCards(NoCard):
    """More than one card is visible."""


class NoCardLike(NoCard):
    """Neither a card nor a slab is visible; the whole picture may still be a card cropped to its edges."""


@dataclass(frozen=True)
class Detection:
    """A card located in a picture.

    quad           (4, 2) float64 pixels (x, y), clockwise from the printed top left; pixel centers are whole
                   numbers, so a picture W wide spans -0.5 .. W - 0.5
    confidence     0 .. 1
    whole_picture  True if the quad is the bounds of the picture
    upright_known  True if the first corner is known to be the printed top left, False if it is only likely
    bow_px         largest deviation of a side from a straight line, in pixels
    note           one sentence for the user, or empty
    """

    kind: PictureKind
    quad: np.ndarray
    confidence: float
    whole_picture: bool = False
    upright_known: bool = False
    bow_px: float = 0.0
    note: str = ""
