"""The app on a home screen: its web manifest and its icons. There is no service worker, so nothing is kept offline."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import JSONResponse
from PIL import Image, ImageDraw

# The first for iOS, the others for manifests.
ICON_SIDES_PX = (180, 192, 512)
BACKGROUND, CARD, LINES, LENS = "#4f46e5", "#ffffff", "#a5b4fc", "#1e1b4b"
SUPERSAMPLING = 4
MANIFEST: dict[str, Any] = {
    "name": "Loupe",
    "short_name": "Loupe",
    "description": "Estimate the PSA grade of a trading card",
    "id": "/",
    "start_url": "/",
    "display": "standalone",
    "background_color": "#ffffff",
    "theme_color": BACKGROUND,
    "icons": [
        {"src": f"/icons/{side}.png", "sizes": f"{side}x{side}", "type": "image/png", "purpose": purpose}
        for side in ICON_SIDES_PX[1:]
        for purpose in ("any", "maskable")
    ],
}
# With credentials: behind a reverse proxy with a login, the manifest would be refused without them.
HEAD = (
    '<link rel="manifest" href="manifest.json" crossorigin="use-credentials">'
    f'<link rel="apple-touch-icon" href="icons/{ICON_SIDES_PX[0]}.png">'
    f'<link rel="icon" type="image/png" href="icons/{ICON_SIDES_PX[1]}.png">'
    f'<meta name="theme-color" content="{BACKGROUND}">'
    '<meta name="apple-mobile-web-app-title" content="Loupe">'
)


def add_home_screen(app: FastAPI) -> None:
    """Serve the manifest and the icons."""

    @app.get("/manifest.json")
    def manifest() -> JSONResponse:
        return JSONResponse(MANIFEST, media_type="application/manifest+json")

    @app.get("/icons/{side}.png")
    def icon_file(side: int) -> Response:
        if side not in ICON_SIDES_PX:
            raise HTTPException(404, "There is no such icon")
        return Response(icon(side), media_type="image/png")


@cache
def icon(side_px: int) -> bytes:
    """The icon as a PNG file: a card under a loupe, within the circle that a maskable icon may be cut to."""
    picture = Image.new("RGB", (side_px * SUPERSAMPLING,) * 2, BACKGROUND)
    pen, unit = ImageDraw.Draw(picture), side_px * SUPERSAMPLING / 100

    def box(left: float, top: float, right: float, bottom: float) -> list[float]:
        return [unit * edge for edge in (left, top, right, bottom)]

    pen.rounded_rectangle(box(27, 19, 66, 73), unit * 3, CARD)
    pen.rounded_rectangle(box(31, 23, 62, 48), unit * 1.5, LINES)
    for top in (54, 60, 66):
        pen.rounded_rectangle(box(31, top, 62, top + 2.5), unit, LINES)
    pen.line(box(66, 66, 77, 77), LENS, round(unit * 7))
    pen.ellipse(box(73.5, 73.5, 80.5, 80.5), LENS)
    pen.ellipse(box(42, 42, 73, 73), "#e0e7ff", LENS, round(unit * 4))
    pen.arc(box(49, 49, 66, 66), 190, 260, CARD, round(unit * 2.5))
    content = io.BytesIO()
    picture.resize((side_px, side_px), Image.Resampling.LANCZOS).save(content, "PNG", optimize=True)
    return content.getvalue()
