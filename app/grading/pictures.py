"""Pictures of a graded card: the outline found, the rectified card, the heat map, and the measurements."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from app.grading.annotate import annotated_picture
from db.schema import Side
from engine.image.rectify import canvas_window
from engine.inference.card_side import CardSide
from engine.inference.grad_cam import overlay
from engine.inference.grade_card import GradedCard
from engine.storage.atomic import atomic_write

MAX_SIDE_PX = 1600
QUAD_COLOR = (255, 64, 64)


def pictures_of(graded: GradedCard, side: Side) -> dict[str, np.ndarray]:
    """The pictures of a side to show, uint8 RGB by name.

    `quad` (the input picture with the card's outline), `card` (rectified), and `overlay` (heat map) if there is one.
    """
    card_side, saliency = graded.sides[side], graded.saliency_of(side)
    if card_side is None:
        return {}
    card = card_side.card
    if card_side.is_landscape:
        card = np.rot90(card)
    pictures = {"quad": _with_outline(card_side), "card": card}
    if saliency is not None:
        on_card = saliency[canvas_window(card_side.upright_quad, card_side.rgb.shape[:2], saliency.shape[:2])]
        upright = np.rot90(on_card) if card_side.is_landscape else on_card
        heat = Image.fromarray(upright).resize(card.shape[1::-1], Image.Resampling.BILINEAR)
        pictures["overlay"] = overlay(_gray(card), np.asarray(heat).clip(0, 1))
    return pictures


def write_pictures(graded: GradedCard, folder: Path) -> dict[Side, dict[str, Path]]:
    """Write both sides' pictures as PNG into `folder`; returns their absolute paths by side and name.

    The pictures are those of `pictures_of`, and `measured`: the flat card with its lines and findings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths: dict[Side, dict[str, Path]] = {}
    for side, card_side in graded.sides.items():
        measured = {} if card_side is None else {"measured": annotated_picture(card_side)}
        paths[side] = {}
        for name, picture in {**pictures_of(graded, side), **measured}.items():
            paths[side][name] = (folder / f"{side}_{name}.png").absolute()
            with atomic_write(paths[side][name]) as temporary:
                Image.fromarray(picture).save(temporary, "PNG")
    return paths


def _gray(rgb: np.ndarray) -> np.ndarray:
    """The picture in gray, (H, W, 3), so that only the heat map has color."""
    return cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def _with_outline(side: CardSide) -> np.ndarray:
    image = Image.fromarray(side.rgb)
    corners = [tuple(corner) for corner in side.detection.quad]
    width = max(2, round(max(image.size) / 120))
    ImageDraw.Draw(image).line([*corners, corners[0]], fill=QUAD_COLOR, width=width, joint="curve")
    image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    return np.asarray(image)
