"""Picture of one side of a stored card, which can be enlarged."""

from __future__ import annotations

from typing import Any

import gradio as gr

SIDES = ("Front", "Back")


def card_pictures(height: int) -> list[gr.Image]:
    """Add the pictures of front and back to the Gradio layout being built, `height` in pixels."""
    options: dict[str, Any] = {"interactive": False, "elem_classes": "card-picture", "buttons": ["fullscreen"]}
    return [gr.Image(label=side, height=height, **options) for side in SIDES]


def picture_updates(front: str | None, back: str | None) -> list[dict[str, Any]]:
    """Updates of both pictures to these files; a missing side gets the label "no picture"."""
    paths = zip(SIDES, (front, back), strict=True)
    return [gr.update(value=path, label=side if path else f"{side}: no picture") for side, path in paths]
