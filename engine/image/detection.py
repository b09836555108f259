"""What finding a card in a picture gives: where it is and what is known of it, or why there is none. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from engine.image.read import BadPicture

Kind = Literal["photo", "scan", "slab"]


class NoCard(BadPicture):
    """No single whole card in the picture; the message says what to do and does not name the file."""


class NothingLikeACard(NoCard):
    """Neither a card nor a slab to be seen: what is there may still be all of one, cropped beyond its edges."""


@dataclass(frozen=True)
class Found:
    """The card in a picture.

    quad           (4, 2) float64 pixels (x, y), clockwise from the printed top left; pixel centres are whole
                   numbers, so a picture W wide spans -0.5 .. W - 0.5
    confidence     0 .. 1
    whole_picture  the quad is the picture's own bounds
    upright_known  the first corner is known to be the printed top left, not only the likelier one
    bow_px         how far the sides bend away from straight, at most, in pixels
    note           what a reader of the result should know, one sentence, or empty
    """

    kind: Kind
    quad: np.ndarray
    confidence: float
    whole_picture: bool = False
    upright_known: bool = False
    bow_px: float = 0.0
    note: str = ""
