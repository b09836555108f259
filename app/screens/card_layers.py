"""Bar above the two sides of a graded card: zoom, layers, and the saliency maps with their faithfulness."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import cv2
import gradio as gr
import numpy as np
from PIL import Image

from app.screens.html_component import html_component, picture_for_page
from app.settings import DataFolder
from db.schema import Side

if TYPE_CHECKING:
    from engine.inference.card_side import CardSide
    from engine.inference.faithfulness import Faithfulness
    from engine.inference.grad_cam import MapMethod
    from engine.inference.grade_card import GradedCard

# A map has about one cell per 5 mm.
MAP_PX_PER_MM = 4


def card_layers() -> gr.HTML:
    """The component; its value is that of `layers_value`. Its `submit` event asks for the check of the chosen map."""
    return html_component(__file__, "card-layers")


def layers_value(graded: GradedCard, data: DataFolder) -> dict[str, Any]:
    """The maps of both sides as files for the browser; writes the files."""
    maps: dict[str, dict[str, Any]] = {}
    for method, both in graded.maps.items():
        for name, saliency in (("front", both.front), ("back", both.back)):
            side = graded.sides["front" if name == "front" else "back"]
            if side is not None and saliency is not None and saliency.any():
                path = picture_for_page(Image.fromarray(map_picture(side, saliency)), data, "map")
                maps.setdefault(name, {})[method] = {"path": str(path), "meta": {"_type": "gradio.FileData"}}
    return {"card": _card_key(graded), "maps": maps}


def checked_value(graded: GradedCard, method: MapMethod, faithfulness: Mapping[Side, Faithfulness]) -> dict[str, Any]:
    """The faithfulness of the maps of one method; the browser keeps the maps that it has of this card."""
    return {"card": _card_key(graded), "faithfulness": {method: faithfulness}}


def _card_key(graded: GradedCard) -> str:
    return "-".join("" if side is None else side.sha256 for side in graded.sides.values())


def map_picture(side: CardSide, saliency: np.ndarray) -> np.ndarray:
    """A map on the network's canvas, (H, W) in [0, 1], as a picture over the flat card with its wide margin.

    returns  (rows, columns, 4) uint8 RGBA: transparent at 0
    """
    from engine.image.rectify import canvas_window
    from engine.inference.grad_cam import heat_colors

    flat = side.measurements.flat
    rows, columns = canvas_window(side.upright_quad, side.rgb.shape[:2], saliency.shape[:2])
    window = np.ascontiguousarray(saliency[rows, columns])
    height, width = window.shape
    in_window = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32) - 0.5
    card_mm = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * (flat.size.width_mm, flat.size.height_mm)
    # The flat card may have been refined by its edges: its corners need not be those that the network was given.
    to_window = cv2.getPerspectiveTransform(side.upright_quad.astype(np.float32), in_window)
    on_canvas = cv2.perspectiveTransform(flat.picture_px(card_mm)[None].astype(np.float32), to_window)[0]
    margin = np.array(flat.wide_margin_mm)
    in_picture = ((card_mm + margin) * MAP_PX_PER_MM - 0.5).astype(np.float32)
    size = tuple(round(float(length)) for length in (card_mm[2] + 2 * margin) * MAP_PX_PER_MM)
    warp = cv2.getPerspectiveTransform(on_canvas.astype(np.float32), in_picture)
    placed = cv2.warpPerspective(window, warp, size, flags=cv2.INTER_LINEAR).clip(0, 1)
    return np.dstack([heat_colors(placed), np.rint(placed * 255).astype(np.uint8)])
