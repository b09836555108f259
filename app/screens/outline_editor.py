"""Outline editor: the corners of the card in its picture, to drag if they are wrong, and quarter turns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import cv2
import gradio as gr
import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from app.screens.html_component import html_component, picture_for_page
from app.settings import DataFolder

if TYPE_CHECKING:
    from engine.inference.card_side import CardSide

MAX_SIDE_PX = 1600
# A smaller card shows nothing that could be measured.
MIN_AREA_PX = 100 * 100

Pixel = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Corner = tuple[Pixel, Pixel]


class Outline(BaseModel):
    """The card's corners in one picture.

    sha256   of the picture file
    quad     pixels (x, y) of the upright picture, clockwise from the printed top left
    by_hand  the user moved or turned them
    """

    model_config = ConfigDict(frozen=True)

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    quad: tuple[Corner, Corner, Corner, Corner]
    by_hand: bool

    @field_validator("quad")
    @classmethod
    def _check_quad(cls, quad: tuple[Corner, Corner, Corner, Corner]) -> tuple[Corner, Corner, Corner, Corner]:
        points = np.array(quad, np.float32)
        if not cv2.isContourConvex(points) or cv2.contourArea(points) < MIN_AREA_PX:
            raise ValueError("the corners enclose no card")
        return quad


def outline_editor(side: str) -> gr.HTML:
    """The component of one side; its value is that of `outline_value`. Its `submit` event has new corners."""
    return html_component(__file__, f"{side}-outline")


def outline_from_page(value: Any) -> Outline | None:
    """The outline that the browser sends if the user laid it; else None, also for one that is not complete."""
    try:
        outline = Outline.model_validate(value)
    except ValidationError:
        return None
    return outline if outline.by_hand else None


def outline_value(name: str, side: CardSide, data: DataFolder) -> dict[str, Any]:
    """The value for a side; writes its picture for the browser to load."""
    height, width = side.rgb.shape[:2]
    return {
        "side": name,
        "sha256": side.sha256,
        "picture": {"path": str(_write_picture(side.rgb, data)), "meta": {"_type": "gradio.FileData"}},
        "width": width,
        "height": height,
        "quad": side.detection.quad.tolist(),
        "found": (side.detected or side.detection).quad.tolist(),
        "by_hand": side.detected is not None,
    }


def _write_picture(rgb: np.ndarray, data: DataFolder) -> Path:
    picture = Image.fromarray(rgb)
    picture.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
    return picture_for_page(picture, data, "upright", quality=88)
