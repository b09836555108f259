"""Pictures of one side of a card, scanned, photographed, in a sleeve or in a slab, with their true corners."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.random import Generator
from PIL import Image

from engine.image.rectify import px_per_mm
from engine.simulate.capture import light
from engine.simulate.capture.camera import PlaneView, handheld_view, scanner_view
from engine.simulate.capture.cases import in_binder, in_one_touch, in_semi_rigid, in_toploader
from engine.simulate.capture.ground import CARD_PX_PER_TABLE_PX, draw_lid_color, draw_table
from engine.simulate.capture.holders import Plane, in_sleeve, insert_card, on_scanner, without_holder
from engine.simulate.capture.items import Item
from engine.simulate.capture.slab import LABEL_COLORS, SLAB_SHAPES, SlabLabel, in_slab
from engine.simulate.print.games import Grid
from engine.simulate.print.lettering import Color
from engine.simulate.wear.masks import Patch
from engine.simulate.wear.truth import CaptureKind

EXIF_ORIENTATION = 0x0112
ROTATED_FRACTION = 0.05  # fraction of hand-held pictures with the card sideways or upside down
CLEAR_HOLDERS: dict[CaptureKind, Callable[[Generator, np.ndarray, Sequence[Patch], Grid], Plane]] = {
    "sleeve": in_sleeve,
    "toploader": in_toploader,
    "one_touch": in_one_touch,
    "semi_rigid": in_semi_rigid,
    "binder": in_binder,
}
# Rotation of the stored picture by EXIF orientation, so that a reader that applies the tag gets it upright.
STORED_ROTATION = {1: None, 3: cv2.ROTATE_180, 6: cv2.ROTATE_90_COUNTERCLOCKWISE, 8: cv2.ROTATE_90_CLOCKWISE}


@dataclass(frozen=True)
class CaptureStyle:
    """Settings of a capture, the same for both sides of a card.

    by_scanner    scanned, else photographed by hand
    lid_color    color around the card in a scan
    label_color  color of the rim of a slab's label
    fill         range of the fraction of a hand-held picture's long side that the card or its holder fills
    glare_bars   reflections of windows or lamp tubes, with straight bounds
    """

    kind: CaptureKind
    by_scanner: bool
    lid_color: Color
    label_color: Color
    table: np.ndarray = field(repr=False)
    tilt_deg: float
    distortion: float
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
    fill: tuple[float, float] = (0.62, 0.9)
    glare_bars: int = 0


@dataclass(frozen=True)
class SimulatedPicture:
    """A picture and its ground truth.

    rgb          (H, W, 3) uint8, upright
    quad         (4, 2) float64 pixels, clockwise from the printed top left, integers at pixel centres
    orientation  EXIF orientation of its file: 1, 3, 6 or 8
    quality      JPEG quality of its file
    other_quads  (N, 4, 2) corners of other cards, also where they are hidden or beyond the picture
    """

    rgb: np.ndarray
    quad: np.ndarray
    kind: CaptureKind
    px_per_mm: float
    orientation: int
    quality: int
    other_quads: np.ndarray = field(default_factory=lambda: np.zeros((0, 4, 2)))

    def jpeg(self) -> bytes:
        """JPEG file of the picture, rotated to match its EXIF orientation."""
        rotation = STORED_ROTATION[self.orientation]
        stored = self.rgb if rotation is None else cv2.rotate(self.rgb, rotation)
        bgr = cv2.cvtColor(stored, cv2.COLOR_RGB2BGR)
        content = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, self.quality])[1].tobytes()
        if self.orientation == 1:
            return content
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = self.orientation
        payload = exif.tobytes()
        return content[:2] + b"\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload + content[2:]


def draw_style(random: Generator, kind: CaptureKind) -> CaptureStyle:
    """Draw the capture settings of one card."""
    by_scanner = kind == "scan" or (kind != "photo" and bool(random.random() < 0.4))
    tilt = float(random.uniform(0, 45) if random.random() < 0.3 else abs(random.normal(0, 8)))
    warmth = np.clip(random.normal(1, 0.015 if by_scanner else 0.06, 3), 0.8, 1.2)
    return CaptureStyle(
        kind=kind,
        by_scanner=by_scanner,
        lid_color=draw_lid_color(random),
        label_color=LABEL_COLORS[random.integers(len(LABEL_COLORS))],
        table=draw_table(random) if not by_scanner else np.zeros((1, 1, 3), np.uint8),
        tilt_deg=min(tilt, 45.0 if kind not in SLAB_SHAPES else 25.0),
        distortion=0.0 if by_scanner else float(random.normal(0, 0.012)),
        warmth=warmth * float(random.uniform(0.97, 1.02) if by_scanner else random.uniform(0.72, 1.1)),
        unevenness=0.0 if by_scanner else float(random.uniform(0.02, 0.16)),
        glare=0.0 if by_scanner or random.random() < 0.5 else float(random.uniform(0.08, 0.6)),
        focus_px=float(random.uniform(0.0, 0.6) if by_scanner else random.uniform(0.3, 1.3)),
        motion_px=float(random.uniform(1.5, 5)) if not by_scanner and random.random() < 0.12 else 0.0,
        gamma=float(random.uniform(0.9, 1.1) if by_scanner else random.uniform(0.8, 1.25)),
        contrast=float(random.uniform(0.94, 1.08)),
        noise=float(random.uniform(0.5, 2.0) if by_scanner else random.uniform(1.0, 5.0)),
        quality=int(random.integers(88, 98) if by_scanner else random.integers(72, 96)),
        orientation=int(random.choice([1, 3, 6, 8], p=[0.7, 0.08, 0.16, 0.06])) if not by_scanner else 1,
        cropped=bool(by_scanner and kind == "scan" and random.random() < 0.12),
    )


def take_picture(
    random: Generator,
    face: np.ndarray,
    kind: CaptureKind,
    grid: Grid,
    *,
    uncovered: Sequence[Patch] = (),
    dull_outlines: Sequence[np.ndarray] = (),
    gloss: float = 0.7,
    label: SlabLabel | None = None,
    style: CaptureStyle | None = None,
    surround: Callable[[Generator, Plane, float], Sequence[Item]] | None = None,
) -> SimulatedPicture:
    """Take one picture of a side.

    face           (H, W, 3) uint8 of the grid's size, upright, edge to edge
    uncovered      parts of that rectangle that the card does not cover: beyond rounded corners, missing pieces
    dull_outlines  outlines (N, 2) mm of areas without gloss, which reflect no lamp
    gloss          fraction of a lamp's light that the card reflects, 0 .. 1
    label          label of a slab above this side, None for a back; ignored by the other kinds
    style          capture settings, the same for both sides of a card; drawn if None
    surround       draws what else is on the table or in the hand, of the card's plane and its pixels per millimeter
    """
    style = style or draw_style(random, kind)
    plane = _in_holder(random, face, uncovered, grid, style, label)
    view = _draw_view(random, plane, style)
    items = [] if surround is None or style.by_scanner else surround(random, plane, grid.px_per_mm)
    rgb = _render_scene(random, plane, view, style, items)
    if not style.by_scanner:
        light.apply_illumination(random, rgb, view, style.warmth, style.unevenness)
        if style.glare or style.glare_bars:
            reflectivity = _reflectivity_map(plane, view, grid, style, gloss, dull_outlines)
            light.add_glare(random, rgb, view, reflectivity, style.glare)
            light.add_glare_bars(random, rgb, view, reflectivity, style.glare_bars)
    rgb = light.blur(random, rgb, style.focus_px, style.motion_px)
    rgb = light.apply_tone_and_noise(random, rgb, gamma=style.gamma, contrast=style.contrast, noise=style.noise)
    quad = view.project(plane.card_corners())
    density = px_per_mm(quad, grid.size)
    other_quads = [item.seen_by(view).project(item.cards.reshape(-1, 2)) for item in items]
    others = np.concatenate([np.zeros((0, 2)), *other_quads]).reshape(-1, 4, 2)
    return SimulatedPicture(rgb, quad, style.kind, density, style.orientation, style.quality, others)


def _in_holder(
    random: Generator,
    face: np.ndarray,
    uncovered: Sequence[Patch],
    grid: Grid,
    style: CaptureStyle,
    label: SlabLabel | None,
) -> Plane:
    if style.kind in CLEAR_HOLDERS:
        return CLEAR_HOLDERS[style.kind](random, face, uncovered, grid)
    if style.kind in SLAB_SHAPES:
        return in_slab(random, face, uncovered, grid, label, style.label_color, SLAB_SHAPES[style.kind])
    if style.kind == "photo":
        return without_holder(face, uncovered)
    if style.cropped:
        return insert_card(np.full_like(face, style.lid_color), None, face, uncovered, (0, 0))
    return on_scanner(random, face, uncovered, style.lid_color, round(float(random.uniform(1.5, 5)) * grid.px_per_mm))


def _draw_view(random: Generator, plane: Plane, style: CaptureStyle) -> PlaneView:
    if style.cropped:
        return PlaneView(np.eye(3), 0.0, *plane.size)
    if style.by_scanner:
        slack_px = 0.0 if plane.alpha is None else float(random.uniform(0.03, 0.12)) * plane.size[0]
        return scanner_view(random, plane.size, turn_deg=float(random.normal(0, 0.5)), slack_px=slack_px)
    turn_deg = float(random.normal(0, 4))
    if random.random() < ROTATED_FRACTION:
        turn_deg += float(random.choice([90, 180, 270]))
    tilt_deg = float(np.clip(style.tilt_deg + random.normal(0, 1.5), 0, 45))
    fill_fraction = float(random.uniform(*style.fill))
    return handheld_view(
        random,
        plane.size,
        tilt_deg=tilt_deg,
        turn_deg=turn_deg,
        fill_fraction=fill_fraction,
        distortion=style.distortion,
    )


def _render_scene(
    random: Generator, plane: Plane, view: PlaneView, style: CaptureStyle, items: Sequence[Item]
) -> np.ndarray:
    """Render the plane on its background, with the items below and above it, (H, W, 3) uint8."""
    if plane.alpha is None:
        return _render_scan(plane, view, style.lid_color)
    if style.by_scanner:
        rgb = np.full((view.height, view.width, 3), style.lid_color, np.uint8)
        return _composite(rgb, plane, view)
    rgb = _render_table(plane, view, style.table)
    layers = [(item.plane, item.seen_by(view)) for item in items]
    layers.insert(sum(not item.is_above for item in items), (plane, view))
    for layer, layer_view in layers:
        if layer.alpha is not None and layer.alpha.any():
            light.cast_shadow(random, rgb, layer_view, layer.corners())
            rgb = _composite(rgb, layer, layer_view)
    return rgb


def _composite(rgb: np.ndarray, plane: Plane, view: PlaneView) -> np.ndarray:
    """Draw a transparent plane onto a picture, in place."""
    assert plane.alpha is not None
    transparency = cv2.cvtColor(255 - view.render(plane.alpha), cv2.COLOR_GRAY2BGR)
    cv2.multiply(rgb, transparency, dst=rgb, scale=1 / 255)
    return cv2.add(rgb, view.render(plane.rgb), dst=rgb)


def _render_scan(plane: Plane, view: PlaneView, lid_color: Color) -> np.ndarray:
    if view.homography[0, 1] == 0 and (view.height, view.width) == plane.size:
        return plane.rgb
    size = (view.width, view.height)
    return cv2.warpAffine(
        plane.rgb,
        view.homography[:2],
        size,
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=lid_color,
    )


def _render_table(plane: Plane, view: PlaneView, table: np.ndarray) -> np.ndarray:
    """Render the table centred under the plane."""
    height, width = table.shape[:2]
    offset = np.array([plane.size[1] / CARD_PX_PER_TABLE_PX - width, plane.size[0] / CARD_PX_PER_TABLE_PX - height]) / 2
    moved = np.array([(1, 0, offset[0]), (0, 1, offset[1]), (0, 0, 1.0)])
    table_view = view.for_coarser_plane(CARD_PX_PER_TABLE_PX)
    return PlaneView(table_view.homography @ moved, 0.0, view.height, view.width).render(table, repeat=True)


def _reflectivity_map(
    plane: Plane, view: PlaneView, grid: Grid, style: CaptureStyle, gloss: float, dull_outlines: Sequence[np.ndarray]
) -> np.ndarray:
    """Coarse map of specular reflectivity: the card's gloss, a quarter of it on dull areas; full on plastic."""
    is_plastic = style.kind != "photo"
    reflectivity = light.quad_mask(view, plane.corners() if is_plastic else plane.card_corners())
    reflectivity = (reflectivity * np.float32(1.0 if is_plastic else gloss)).astype(np.uint8)
    for outline in dull_outlines if not is_plastic else ():
        dull_mask = light.quad_mask(view, grid.to_px(outline) + plane.corner)
        reflectivity = np.where(dull_mask > 127, reflectivity // 4, reflectivity)
    return reflectivity
