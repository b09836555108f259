"""Pictures of one card among other things, of a cut-off card, of several, and of none, with the cards' corners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import cv2
import numpy as np
from numpy.random import Generator

from engine.image.detection import PictureKind
from engine.simulate.capture.capture import CaptureStyle, SimulatedPicture, draw_style, take_picture
from engine.simulate.capture.ground import draw_table
from engine.simulate.capture.holders import CardFace, Plane, no_card
from engine.simulate.capture.items import Item, clutter, draw_screen, hand, moved, neighbors, page_of_cards
from engine.simulate.capture.slab import SLAB_SHAPES, SlabLabel
from engine.simulate.print.lettering import creature_name
from engine.simulate.wear.truth import CaptureKind

CardStatus = Literal["one", "none", "many", "cut"]
HELD_FRACTION, MATCHING_FRACTION, GLARE_BAR_FRACTION = 0.2, 0.15, 0.3
CUT_RANGE = (0.1, 0.45)  # of the card's extent that is beyond the picture


@dataclass(frozen=True)
class Scene:
    """A picture and its ground truth for card detection.

    rgb     (H, W, 3) uint8
    quads   (N, 4, 2) float64 corners of each card, clockwise from the printed top left, integers at pixel centres
    upward  True if the print shows which way is up
    """

    rgb: np.ndarray
    kind: PictureKind
    status: CardStatus
    quads: np.ndarray = field(default_factory=lambda: np.zeros((0, 4, 2)))
    upward: bool = False

    def scaled(self, long_side_px: int) -> Scene:
        """The scene with its longer side reduced to a number of pixels."""
        scale = long_side_px / max(self.rgb.shape[:2])
        rgb = cv2.resize(self.rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return replace(self, rgb=rgb, quads=(self.quads + 0.5) * scale - 0.5)


def card_scene(random: Generator, cards: Sequence[CardFace], kind: CaptureKind, status: CardStatus) -> Scene:
    """Draw a scene. `cards` are drawn faces, of which the first is the one in a holder; several are used for "many"."""
    if status in ("many", "none") and kind == "scan":
        kind = "photo"
    if status == "many":
        return several_cards(random, cards, kind)
    if status == "none":
        return scene_of(_capture(random, no_card(cards[0].grid), kind), "none")
    scene = scene_of(_capture(random, cards[0], kind), "one", upward=cards[0].upward)
    return cut_off(random, scene) if status == "cut" else scene


def scene_of(picture: SimulatedPicture, status: CardStatus, *, upward: bool = False) -> Scene:
    """Scene of a picture; cards in clear holders are photographed or scanned, and count as photos."""
    kind: PictureKind = "scan" if picture.kind == "scan" else "slab" if picture.kind in SLAB_SHAPES else "photo"
    quads = picture.other_quads if status == "none" else np.concatenate([picture.quad[None], picture.other_quads])
    return Scene(picture.rgb, kind, status, quads, upward)


def several_cards(random: Generator, cards: Sequence[CardFace], kind: CaptureKind) -> Scene:
    """Cards next to or on each other; a collage of photos; or a page of cards, in itself or on a screen."""
    choice = random.random()
    if choice < 0.55:
        others = cards[1 : 2 + int(random.integers(1, len(cards)))]
        return scene_of(_capture(random, cards[0], kind, others=others, fill=(0.25, 0.5)), "many")
    if choice < 0.7:
        return collage(
            random, [card_scene(random, [card], kind, "one") for card in cards[: int(random.integers(2, 4))]]
        )
    page, corners = page_of_cards(random, cards)
    if choice < 0.85:
        return Scene(page, "scan", "many", corners)
    picture = _capture(random, no_card(cards[0].grid), "photo", page=(page, corners), fill=(0.25, 0.4))
    return scene_of(replace(picture, quad=picture.other_quads[0], other_quads=picture.other_quads[1:]), "many")


def collage(random: Generator, scenes: Sequence[Scene]) -> Scene:
    """Pictures side by side with a bar between them, as sellers show a front and a back."""
    height = min(scene.rgb.shape[0] for scene in scenes)
    bar = np.full((height, int(random.integers(0, height // 20)), 3), random.choice([0, 255]), np.uint8)
    parts, quads, left = [], [], 0
    for scene in scenes:
        scale = height / scene.rgb.shape[0]
        width = round(scene.rgb.shape[1] * scale)
        parts += [cv2.resize(scene.rgb, (width, height), interpolation=cv2.INTER_AREA), bar]
        quads.append((scene.quads + 0.5) * scale - 0.5 + (left, 0))
        left += width + bar.shape[1]
    return Scene(np.hstack(parts[:-1]), scenes[0].kind, "many", np.concatenate(quads))


def cut_off(random: Generator, scene: Scene) -> Scene:
    """Crop a picture so that a part of its card is missing, at one side or at two adjacent ones."""
    low, high = scene.quads[0].min(axis=0), scene.quads[0].max(axis=0)
    (height, width), (left, top) = scene.rgb.shape[:2], (0, 0)
    right, bottom = width, height
    first = int(random.integers(4))
    for side in {first, (first + random.integers(2)) % 4}:
        inside = random.uniform(*CUT_RANGE) * (high - low)
        if side in (0, 2):
            left, right = (int(low[0] + inside[0]), right) if side == 0 else (left, int(high[0] - inside[0]))
        else:
            top, bottom = (int(low[1] + inside[1]), bottom) if side == 1 else (top, int(high[1] - inside[1]))
    rgb = np.ascontiguousarray(scene.rgb[top:bottom, left:right])
    return replace(scene, rgb=rgb, status="cut", quads=scene.quads - (left, top))


def on_even_ground(random: Generator, card: CardFace) -> Scene:
    """An upright card alone, or on one color, as in pictures that people crop or draw."""
    style = replace(draw_style(random, "scan"), cropped=True, lid_color=tuple(random.integers(0, 256, 3).tolist()))
    picture = take_picture(random, card.rgb, "scan", card.grid, uncovered=card.uncovered, style=style)
    margins = random.uniform(0.0, 0.35) * card.grid.height * random.choice([np.ones(4), random.uniform(0.1, 1, 4)])
    top, bottom, left, right = (int(margin) if random.random() < 0.8 else 0 for margin in margins)
    rgb = cv2.copyMakeBorder(picture.rgb, top, bottom, left, right, cv2.BORDER_CONSTANT, value=style.lid_color)
    return Scene(rgb, "scan", "one", picture.quad[None] + (left, top), card.upward)


def edge_color(card: CardFace) -> np.ndarray:
    """Median color of a card's outermost pixels, (3,)."""
    rgb, band = card.rgb, max(1, card.grid.height // 100)
    strips = (rgb[:band], rgb[-band:], rgb[:, :band], rgb[:, -band:])
    return np.median(np.concatenate([strip.reshape(-1, 3) for strip in strips]), axis=0)


def _scene_style(random: Generator, card: CardFace, kind: CaptureKind, fill: tuple[float, float]) -> CaptureStyle:
    """Settings harder than those of a graded card: any distance, bars of glare, a background of the card's color."""
    style = replace(draw_style(random, kind), fill=fill)
    if random.random() < GLARE_BAR_FRACTION:
        style = replace(style, glare_bars=int(random.integers(1, 4)))
    if random.random() < MATCHING_FRACTION:
        color = np.clip(edge_color(card) + random.normal(0, 5, 3), 0, 255)
        style = replace(style, lid_color=tuple(color.astype(int).tolist()), table=draw_table(random, color))
    return style


def _capture(
    random: Generator,
    card: CardFace,
    kind: CaptureKind,
    *,
    others: Sequence[CardFace] = (),
    page: tuple[np.ndarray, np.ndarray] | None = None,
    fill: tuple[float, float] = (0.35, 0.95),
) -> SimulatedPicture:
    """Take a picture with clutter around the card, with other cards, or with a page of cards on a screen."""
    style = _scene_style(random, card, kind, fill)
    if style.by_scanner and (others or page is not None):
        style = replace(style, by_scanner=False, table=draw_table(random))

    def surround(random: Generator, plane: Plane, density: float) -> list[Item]:
        items = clutter(random, plane, density) + neighbors(random, plane, others)
        if page is not None:
            screen = draw_screen(random, density, page[0])
            offset = (np.array(screen.size) - page[0].shape[:2])[::-1] / 2
            middle, placement = np.array(screen.size[::-1]) / 2, np.array(plane.size[::-1]) / 2
            items.append(Item(screen, moved(middle, placement, random.normal(0, 10)), cards=page[1] + offset))
        return items + (hand(random, plane, density) if random.random() < HELD_FRACTION else [])

    title = SlabLabel(float(random.integers(1, 11)), creature_name(random), "TRADING CARDS", f"#{random.integers(400)}")
    return take_picture(
        random,
        card.rgb,
        kind,
        card.grid,
        uncovered=card.uncovered,
        gloss=random.uniform(0.3, 1.0) if card.rgb.any() else 0.0,
        label=title if random.random() < 0.7 else None,
        style=style,
        surround=surround,
    )
