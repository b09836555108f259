"""Upload field for one side of a card: a file that only our own reader opens, its preview, and advice on it.

Gradio's image component would open the file itself, which fails for HEIC before the reader is loaded, and for a file
that is no picture with a message of its own.
"""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image

from engine.image.read import BadPicture, picture_size, read_reduced

PREVIEW_SIDE_PX = 800
FIELD_HEIGHT_PX, PREVIEW_HEIGHT_PX = 180, 420


class PictureInput:
    """The field of one side, front or back."""

    def __init__(self, side: str) -> None:
        """Add the field to the Gradio layout being built."""
        with gr.Column(elem_id=f"{side}-in", elem_classes="picture-input", min_width=140):
            self.file = gr.File(label=side.capitalize(), height=FIELD_HEIGHT_PX)
            self.preview = gr.Image(
                visible=False,
                interactive=False,
                show_label=False,
                container=False,
                buttons=[],
                format="jpeg",
                height=PREVIEW_HEIGHT_PX,
                elem_classes="preview",
            )
            self.advice = gr.Markdown(visible=False, elem_id=f"{side}-advice", elem_classes="advice")


def check_picture_size(path: Path, max_bytes: int) -> None:
    """Raise BadPicture if a file is larger than a picture may be."""
    size = path.stat().st_size
    if size > max_bytes:
        raise BadPicture(
            f"{path.name}: has {size / 1e6:.0f} MB, more than the {max_bytes / 1e6:g} MB of a picture; save it as "
            "JPEG, or start Loupe with a larger --max-picture-mb"
        )


def read_preview(path: Path, max_bytes: int) -> np.ndarray:
    """Read an upload as a smaller picture; one that is refused is deleted.

    returns  (H, W, 3) uint8 RGB, upright, at most 800 pixels wide and high
    raises   BadPicture if it is no picture, damaged, or larger than `max_bytes`
    """
    try:
        check_picture_size(path, max_bytes)
        reduction = max(picture_size(path)) / PREVIEW_SIDE_PX
        picture = Image.fromarray(read_reduced(path, max_reduction=reduction)[0])
    except BadPicture:
        path.unlink(missing_ok=True)
        raise
    picture.thumbnail((PREVIEW_SIDE_PX, PREVIEW_SIDE_PX))
    return np.asarray(picture)
