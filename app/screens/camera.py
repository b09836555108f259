"""Camera of the Grade tab: live picture with a frame of a card's shape, and advice before the picture is taken.

Browsers give the camera only to a page on the same machine or over https; elsewhere the component is not shown.
"""

from __future__ import annotations

import gradio as gr

from app.screens.html_component import html_component
from engine.image.quality import DARKNESS, GLARE, GLARE_LEVEL, SHARPNESS
from engine.image.rectify import TRADING

# The advice on an uploaded picture accepts more tilt; held by hand, a camera is easily held better.
MAX_TILT_DEG = 8


def camera() -> gr.HTML:
    """The component; its value holds the limits of the advice, the same as for an uploaded picture."""
    limits = {
        "aspect": TRADING.width_mm / TRADING.height_mm,
        "sharpness": SHARPNESS.usable,
        "glare": GLARE.usable,
        "glare_level": GLARE_LEVEL,
        "darkness": DARKNESS.usable,
        "tilt_deg": MAX_TILT_DEG,
    }
    return html_component(__file__, "camera", value=limits)
