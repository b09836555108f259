"""From a picture file to a detection and a canvas: the first step of training, grading and caching."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.detection.find_card import (
    REFUSAL_MESSAGES,
    find_card,
    find_cropped_card,
    has_card_aspect,
    picture_bounds,
)
from engine.detection.not_a_card import PAGE_OF_CARDS, reason_against, shows_page_of_cards
from engine.detection.several_cards import shows_two_cards
from engine.image.color_profile import to_srgb
from engine.image.detection import Detection, NoCard, NoCardLike, SeveralCards
from engine.image.quads import side_lengths
from engine.image.read import read_reduced, read_unconverted
from engine.image.rectify import CanvasSize, canvas_shape, card_canvas, upright_quad

# The card in a picture decoded at reduced size must be at least this many times larger than the canvas, which keeps the
# canvas within 45 dB of the full picture's. At a ratio of 3.5 it was 44.4 dB on the worst of five real pictures.
MIN_OVERSAMPLING = 4.0
MIN_CARD_HEIGHT_PX = 48
WHOLE_PICTURE_NOTE = "no outline found; the picture has the shape of a card, so all of it is treated as the card"


def canvas_from_picture(path: Path, *, size: CanvasSize) -> tuple[np.ndarray, Detection]:
    """Read a picture, find its card and rectify it onto a canvas, a card printed lengthwise with its left side on top.

    returns  the (height, width, 3) uint8 canvas, and the detection
    raises   BadPicture, or NoCard, whose message begins with the file's name
    """
    rgb, detection = read_and_find(path)
    return card_canvas(rgb, upright_quad(detection.quad, rgb.shape[:2]), size=size), detection


def read_and_find(path: Path, content: bytes | None = None) -> tuple[np.ndarray, Detection]:
    """Read a picture, (H, W, 3) uint8, and find its card; raises NoCard, whose message begins with the file's name.

    A picture without a visible background around its card was cropped to the card, and the whole picture is the card.
    A second card in the picture, what is no card, and a card less than 48 pixels high are refused.

    content  the bytes of the file if they have been read already
    """
    rgb, profile = read_unconverted(path, content)
    try:
        detection = _only_card(rgb)
    except NoCard as error:
        raise NoCard(f"{path.name}: {error}") from error
    return to_srgb(rgb, profile), detection


def _only_card(rgb: np.ndarray) -> Detection:
    """Find the card in a picture, or a card cropped to the picture; raises NoCard if it is not the only one."""
    try:
        detection = find_card(rgb)
    except SeveralCards as error:
        raise (SeveralCards(PAGE_OF_CARDS) if shows_page_of_cards(rgb) else error) from error
    except NoCard as error:
        detection = _whole_picture(rgb, error)
    height_px = side_lengths(detection.quad).max()
    if height_px < MIN_CARD_HEIGHT_PX:
        raise NoCard(f"the card is only {height_px:.0f} pixels high; photograph it closer, or scan it")
    if shows_two_cards(rgb, detection, find_card):
        raise _several_cards()
    reason = reason_against(rgb, detection)
    if reason:
        raise NoCard(reason)
    return detection


def _whole_picture(rgb: np.ndarray, error: NoCard) -> Detection:
    """Return a card that fills its picture, in which no outline was found; raises `error` if it is none."""
    cropped = find_cropped_card(rgb)
    if cropped is None and not (isinstance(error, NoCardLike) and has_card_aspect(rgb)):
        if shows_page_of_cards(rgb):
            raise SeveralCards(PAGE_OF_CARDS)
        raise _several_cards() if shows_two_cards(rgb, None, find_card) else error
    bounds = picture_bounds(rgb.shape[:2])
    return cropped or Detection("scan", bounds, 0.0, whole_picture=True, note=WHOLE_PICTURE_NOTE)


def _several_cards() -> SeveralCards:
    return SeveralCards(REFUSAL_MESSAGES["many"])


def canvas_from_quad(path: Path, quad: np.ndarray, *, size: CanvasSize) -> np.ndarray:
    """Read a picture and rectify a known quad onto a canvas; a large JPEG is decoded at reduced size.

    quad     (4, 2) pixels of the full upright picture, clockwise from the printed top left
    returns  (height, width, 3) uint8
    """
    ratio = side_lengths(quad).max() / max(canvas_shape(size))
    rgb, reduction = read_reduced(path, max_reduction=ratio / MIN_OVERSAMPLING)
    return card_canvas(rgb, upright_quad((quad + 0.5) / reduction - 0.5, rgb.shape[:2]), size=size)
