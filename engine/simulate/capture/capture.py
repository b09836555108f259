"""A picture of one side of a card: scanned, photographed, in a sleeve or in a slab, with the corners' true place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.random import Generator
from PIL import Image

from engine.image.rectify import px_per_mm
from engine.simulate.capture import light
from engine.simulate.capture.camera import View, flat_view, held_view
from engine.simulate.capture.ground import COARSER, draw_lid, draw_table
from engine.simulate.capture.holders import Plane, bare, laid_in, on_lid, sleeved
from engine.simulate.capture.slab import RIMS, Label, slabbed
from engine.simulate.print.games import Grid
from engine.simulate.print.lettering import Colour
from engine.simulate.wear.masks import Patch
from engine.simulate.wear.truth import CaptureKind

ORIENTATION = 0x0112
TURNED = 0.05  # share of hand-held pictures that lie on their side or upside down
# How a stored picture is turned so that a reader who obeys its EXIF orientation has it upright.
STORED = {1: None, 3: cv2.ROTATE_180, 6: cv2.ROTATE_90_COUNTERCLOCKWISE, 8: cv2.ROTATE_90_CLOCKWISE}


@dataclass(frozen=True)
class Style:
    """How someone takes pictures: the same for both sides of a card.

    flat  by a scanner, straight down; else by hand
    lid   what a scanner shows around the card
    rim   of a slab's label
    """

    kind: CaptureKind
    flat: bool
    lid: Colour
    rim: Colour
    table: np.ndarray = field(repr=False)
    tilt_deg: float
    bend: float
    warmth: np.ndarray
    unevenness: float
    glare: float
    focus_px: float
    motion_px: float
    gamma: float
    contrast: float
    noise: float
    quality: int
    orientation: int
    cropped: bool


@dataclass(frozen=True)
class Capture:
    """A picture and its truth.

    rgb          (H, W, 3) uint8, upright
    quad         (4, 2) float64 pixels, clockwise from the printed top left, pixel centres whole
    orientation  EXIF orientation its file shall have: 1, 3, 6 or 8
    quality      JPEG quality its file shall have
    """

    rgb: np.ndarray
    quad: np.ndarray
    kind: CaptureKind
    px_per_mm: float
    orientation: int
    quality: int

    def jpeg(self) -> bytes:
        """The picture's file: stored as its orientation says, with that orientation in its EXIF part."""
        turn = STORED[self.orientation]
        stored = self.rgb if turn is None else cv2.rotate(self.rgb, turn)
        bgr = cv2.cvtColor(stored, cv2.COLOR_RGB2BGR)
        content = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, self.quality])[1].tobytes()
        if self.orientation == 1:
            return content
        exif = Image.Exif()
        exif[ORIENTATION] = self.orientation
        part = exif.tobytes()
        return content[:2] + b"\xff\xe1" + (len(part) + 2).to_bytes(2, "big") + part + content[2:]


def draw_style(random: Generator, kind: CaptureKind) -> Style:
    """How the pictures of one card are taken."""
    flat = kind == "scan" or (kind != "photo" and bool(random.random() < 0.4))
    tilt = float(random.uniform(0, 45) if random.random() < 0.3 else abs(random.normal(0, 8)))
    warmth = np.clip(random.normal(1, 0.015 if flat else 0.06, 3), 0.8, 1.2)
    return Style(
        kind=kind,
        flat=flat,
        lid=draw_lid(random),
        rim=RIMS[random.integers(len(RIMS))],
        table=draw_table(random) if not flat else np.zeros((1, 1, 3), np.uint8),
        tilt_deg=min(tilt, 45.0 if kind in ("photo", "sleeve") else 25.0),
        bend=0.0 if flat else float(random.normal(0, 0.012)),
        warmth=warmth * float(random.uniform(0.97, 1.02) if flat else random.uniform(0.72, 1.1)),
        unevenness=0.0 if flat else float(random.uniform(0.02, 0.16)),
        glare=0.0 if flat or random.random() < 0.5 else float(random.uniform(0.08, 0.6)),
        focus_px=float(random.uniform(0.0, 0.6) if flat else random.uniform(0.3, 1.3)),
        motion_px=float(random.uniform(1.5, 5)) if not flat and random.random() < 0.12 else 0.0,
        gamma=float(random.uniform(0.9, 1.1) if flat else random.uniform(0.8, 1.25)),
        contrast=float(random.uniform(0.94, 1.08)),
        noise=float(random.uniform(0.5, 2.0) if flat else random.uniform(1.0, 5.0)),
        quality=int(random.integers(88, 98) if flat else random.integers(72, 96)),
        orientation=int(random.choice([1, 3, 6, 8], p=[0.7, 0.08, 0.16, 0.06])) if not flat else 1,
        cropped=bool(flat and kind == "scan" and random.random() < 0.12),
    )


def capture(
    random: Generator,
    face: np.ndarray,
    kind: CaptureKind,
    grid: Grid,
    *,
    outside: Sequence[Patch] = (),
    dull: Sequence[np.ndarray] = (),
    gloss: float = 0.7,
    label: Label | None = None,
    style: Style | None = None,
) -> Capture:
    """Take one picture of a side that lies upright before the camera.

    face     (H, W, 3) uint8 of the grid's size, edge to edge
    outside  what the card does not cover of that rectangle: rounded corners, missing pieces
    dull     outlines (N, 2) mm where the gloss is gone: no lamp shows there
    gloss    0 .. 1: how much of a lamp the card reflects
    label    what a slab says above this side; None for a back. Other kinds never show it
    style    as draw_style gives it; drawn where None. The other side's picture is taken in the same style
    """
    style = style or draw_style(random, kind)
    plane = _held(random, face, outside, grid, style, label)
    view = _view(random, plane, style)
    rgb = _laid_down(random, plane, view, style)
    if not style.flat:
        light.shade(random, rgb, view, style.warmth, style.unevenness)
        if style.glare:
            shiny = _shiny(plane, view, grid, style, gloss, dull)
            light.glare(random, rgb, view, shiny, style.glare)
    rgb = light.blur(random, rgb, style.focus_px, style.motion_px)
    rgb = light.develop(random, rgb, gamma=style.gamma, contrast=style.contrast, noise=style.noise)
    quad = view.project(plane.card_corners())
    return Capture(rgb, quad, style.kind, px_per_mm(quad, grid.size), style.orientation, style.quality)


def _held(
    random: Generator, face: np.ndarray, outside: Sequence[Patch], grid: Grid, style: Style, label: Label | None
) -> Plane:
    if style.kind == "sleeve":
        return sleeved(random, face, outside, grid)
    if style.kind == "slab":
        return slabbed(random, face, outside, grid, label, style.rim)
    if style.kind == "photo":
        return bare(face, outside)
    if style.cropped:
        return laid_in(np.full_like(face, style.lid), None, face, outside, (0, 0))
    return on_lid(random, face, outside, style.lid, round(float(random.uniform(1.5, 5)) * grid.px_per_mm))


def _view(random: Generator, plane: Plane, style: Style) -> View:
    if style.cropped:
        return View(np.eye(3), 0.0, *plane.size)
    if style.flat:
        slack = 0.0 if plane.alpha is None else float(random.uniform(0.03, 0.12)) * plane.size[0]
        return flat_view(random, plane.size, turn_deg=float(random.normal(0, 0.5)), slack_px=slack)
    lean = float(random.normal(0, 4))
    if random.random() < TURNED:
        lean += float(random.choice([90, 180, 270]))
    tilt = float(np.clip(style.tilt_deg + random.normal(0, 1.5), 0, 45))
    share = float(random.uniform(0.62, 0.9))
    return held_view(random, plane.size, tilt_deg=tilt, turn_deg=lean, share=share, bend=style.bend)


def _laid_down(random: Generator, plane: Plane, view: View, style: Style) -> np.ndarray:
    """The ground with the plane on it, (H, W, 3) uint8."""
    if plane.alpha is None:
        return _scanned(plane, view, style.lid)
    if style.flat:
        ground = np.full((view.height, view.width, 3), style.lid, np.uint8)
    else:
        ground = _table(plane, view, style.table)
        light.cast_shadow(random, ground, view, _bounds(plane))
    clear = cv2.cvtColor(255 - view.show(plane.alpha), cv2.COLOR_GRAY2BGR)
    cv2.multiply(ground, clear, dst=ground, scale=1 / 255)
    return cv2.add(ground, view.show(plane.rgb), dst=ground)


def _scanned(plane: Plane, view: View, lid: Colour) -> np.ndarray:
    if view.homography[0, 1] == 0 and (view.height, view.width) == plane.size:
        return plane.rgb
    size = (view.width, view.height)
    return cv2.warpAffine(
        plane.rgb, view.homography[:2], size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=lid
    )


def _table(plane: Plane, view: View, table: np.ndarray) -> np.ndarray:
    """The table under the plane, its middle under the plane's."""
    height, width = table.shape[:2]
    offset = np.array([plane.size[1] / COARSER - width, plane.size[0] / COARSER - height]) / 2
    moved = np.array([(1, 0, offset[0]), (0, 1, offset[1]), (0, 0, 1.0)])
    under = view.scaled(COARSER)
    return View(under.homography @ moved, 0.0, view.height, view.width).show(table, repeat=True)


def _bounds(plane: Plane) -> np.ndarray:
    height, width = plane.size
    return np.array([(0, 0), (width, 0), (width, height), (0, height)]) - 0.5


def _shiny(plane: Plane, view: View, grid: Grid, style: Style, gloss: float, dull: Sequence[np.ndarray]) -> np.ndarray:
    """Where lamps are mirrored, as a coarse map: on the card by its gloss, less where that is worn; on plastic."""
    plastic = style.kind != "photo"
    shiny = light.coarse_cover(view, _bounds(plane) if plastic else plane.card_corners())
    shiny = (shiny * np.float32(1.0 if plastic else gloss)).astype(np.uint8)
    for outline in dull if not plastic else ():
        worn = light.coarse_cover(view, grid.to_px(outline) + plane.corner)
        shiny = np.where(worn > 127, shiny // 4, shiny)
    return shiny
