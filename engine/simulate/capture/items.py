"""Things around a card in its picture: other cards, pages of cards, screens, papers, keyboards, pens, coins, a hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice

import cv2
import numpy as np
from numpy.random import Generator

from engine.simulate.capture.camera import PlaneView
from engine.simulate.capture.holders import CardFace, Plane, insert_card, round_corners, without_holder
from engine.simulate.print.lettering import RULE_WORDS, creature_name, sentences, write_text
from engine.simulate.print.noise import add_grain
from engine.simulate.print.pictures import draw_picture

KEY_PITCH_MM, KEY_MM = 19.0, 16.0
SKIN_TONES = ((236, 196, 172), (222, 172, 140), (190, 136, 102), (140, 94, 66), (92, 62, 46))


@dataclass(frozen=True)
class Item:
    """A plane below or above that of the card.

    placement  (3, 3) from its pixels to those of the card's plane
    cards      (N, 4, 2) corners of the cards on it, in its pixels
    """

    plane: Plane
    placement: np.ndarray
    is_above: bool = False
    cards: np.ndarray = field(default_factory=lambda: np.zeros((0, 4, 2)))

    def seen_by(self, view: PlaneView) -> PlaneView:
        """View of this plane by a camera whose view of the card's plane is given."""
        return PlaneView(view.homography @ self.placement, view.distortion, view.height, view.width)


def moved(anchor: np.ndarray, to: np.ndarray, turn_deg: float) -> np.ndarray:
    """Placement (3, 3) that rotates clockwise and moves a point of the item, (x, y), to a point of the card's plane."""
    cos, sin = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    rotation = np.array([(cos, -sin), (sin, cos)])
    return np.vstack([np.column_stack([rotation, to - rotation @ anchor]), (0.0, 0.0, 1.0)])


def opaque(rgb: np.ndarray, radius_px: int = 1) -> Plane:
    """Plane of a rectangular thing with round corners, (H, W, 3) uint8; not a card."""
    plane = Plane(rgb.copy(), np.full(rgb.shape[:2], 255, np.uint8), (0, 0), rgb.shape[:2])
    round_corners(plane.rgb, np.asarray(plane.alpha), radius_px)
    return plane


def clutter(random: Generator, plane: Plane, density: float) -> list[Item]:
    """Up to six things on the table, partly below the card's plane; a pen sometimes lies on its margin."""
    items = []
    for _ in range(int(random.choice([0, 1, 2, 4, 6]))):
        draw = (draw_keyboard, draw_screen, draw_paper, draw_pen, draw_pen, draw_coin)[random.integers(6)]
        thing = draw(random, density)
        middle = (random.uniform(-0.7, 1.7, 2)) * plane.size[::-1]
        placement = moved(np.array(thing.size[::-1]) / 2, middle, random.choice([0, 90, random.uniform(0, 360)]))
        items.append(Item(thing, placement))
    return items


def neighbors(random: Generator, plane: Plane, cards: Sequence[CardFace]) -> list[Item]:
    """Other cards in a ring around the card's plane, scattered or fanned out below it."""
    spread = random.choice([0.5, 1.1])
    first = random.uniform(0, 2 * np.pi)
    items = []
    for index, card in enumerate(cards):
        angle = first + 2 * np.pi * (index + random.uniform(0, 0.4)) / len(cards)
        reach = spread * max(plane.size) * random.uniform(0.8, 1.3)
        middle = np.array(plane.size[::-1]) / 2 + reach * np.array([np.cos(angle), np.sin(angle)])
        turn_deg = random.choice([random.normal(0, 4), random.uniform(0, 360)])
        other = without_holder(card.rgb, card.uncovered)
        placement = moved(np.array(other.size[::-1]) / 2, middle, turn_deg)
        items.append(Item(other, placement, cards=other.card_corners()[None]))
    return items


def page_of_cards(random: Generator, cards: Sequence[CardFace]) -> tuple[np.ndarray, np.ndarray]:
    """A sale page, a set list or a binder page: cards in rows on one color, (H, W, 3) uint8, and corners (N, 4, 2)."""
    columns, rows = (int(count) for count in random.integers(2, 5, 2))
    gap, caption = (round(cards[0].grid.px_per_mm * mm) for mm in (random.uniform(2, 14), random.choice([0, 12])))
    height, width = (max(card.rgb.shape[axis] for card in cards) + gap for axis in (0, 1))
    level = int(random.choice([random.integers(0, 50), random.integers(225, 256)]))
    page = np.full((rows * (height + caption) + gap, columns * width + gap, 3), level, np.uint8)
    corners = []
    for index, card in enumerate(islice(cycle(cards), rows * columns)):
        x, y = gap + index % columns * width, gap + index // columns * (height + caption)
        corners.append(insert_card(page, None, card.rgb, card.uncovered, (x, y)).card_corners())
        if caption:
            text, middle = f"{creature_name(random)}  ${random.integers(1, 400)}.99", y + height - gap / 2
            ink = (255 - level, 255 - level, 255 - level)
            write_text(page, text, (x, middle), size_px=caption / 2, color=ink, max_width_px=width - gap)
    return page, np.array(corners)


def draw_screen(random: Generator, density: float, content: np.ndarray | None = None) -> Plane:
    """A phone or tablet lying there, its screen with a picture or the given content, (H, W, 3) uint8."""
    if content is None:
        height_mm, width_mm = random.choice([(145, 68), (240, 170)])
        content = draw_picture(random, round(height_mm * density), round(width_mm * density))
    bezel, edge = (round(random.uniform(*mm) * density) for mm in ((2, 8), (1, 3)))
    level = int(random.integers(5, 60))
    screen = cv2.copyMakeBorder(content, *(bezel,) * 4, cv2.BORDER_CONSTANT, value=(level,) * 3)
    screen[:edge] = screen[-edge:] = screen[:, :edge] = screen[:, -edge:] = level + 70
    return opaque(screen, round(5 * density))


def draw_paper(random: Generator, density: float) -> Plane:
    """A printed sheet of paper."""
    size_mm = random.choice([(297, 210), (148, 105), (160, 80)])
    height, width = (round(float(mm) * density) for mm in size_mm)
    paper = np.full((height, width, 3), random.integers(205, 250), np.uint8)
    pitch = random.uniform(5, 9) * density
    for row, line in enumerate(sentences(random, RULE_WORDS, int(height / pitch) - 2)):
        write_text(paper, line, (width * 0.08, pitch * (row + 1.5)), size_px=pitch * 0.6, color=(40, 40, 44))
    add_grain(random, paper, "fibre", 2.0)
    return opaque(paper)


def draw_keyboard(random: Generator, density: float) -> Plane:
    """Part of a keyboard: four rows of keys with letters."""
    columns, rows, pitch, key = int(random.integers(6, 12)), 4, KEY_PITCH_MM * density, KEY_MM * density
    level = int(random.choice([28, 210]))
    board = np.full((round((rows + 0.4) * pitch), round((columns + 0.4) * pitch), 3), level, np.uint8)
    for row in range(rows):
        for column in range(columns):
            x, y = pitch * (0.3 + column + 0.15 * (row % 2)), pitch * (0.3 + row)
            for inset, tone in ((0, level - 15), (0.06, level + 18)):
                start, stop = inset * key, (1 - inset) * key
                board[round(y + start) : round(y + 0.95 * stop), round(x + start) : round(x + stop)] = tone
            letter = "QWERTYUIOPASDFGHJKLZXCVBNM"[random.integers(26)]
            ink = (230, 230, 230) if level < 128 else (50, 50, 54)
            write_text(board, letter, (x + key * 0.3, y + key * 0.3), size_px=key * 0.3, color=ink)
    return opaque(board, round(4 * density))


def draw_pen(random: Generator, density: float) -> Plane:
    """A pen, a pencil or a cable."""
    color = random.integers(15, 250, 3)
    return draw_rod(random, random.uniform(110, 180) * density, random.uniform(2, 6) * density, color)


def draw_coin(random: Generator, density: float) -> Plane:
    """A coin, a chip or a cup's foot: round, with a rim."""
    radius = random.uniform(9, 40) * density
    color = random.integers(90, 220) + random.integers(-40, 40, 3)
    coin = draw_rod(random, 2 * radius, radius, color, roundness=0.2)
    center, rim = (round(radius), round(radius)), max(1, round(radius / 40))
    for inset, tone in ((0.12, 0.7), (0.16, 1.1)):
        cv2.circle(coin.rgb, center, round(radius * (1 - inset)), (color * tone).tolist(), rim, cv2.LINE_AA)
    return coin


def draw_rod(
    random: Generator,
    length_px: float,
    radius_px: float,
    color: np.ndarray,
    *,
    roundness: float = 0.6,
    is_finger: bool = False,
) -> Plane:
    """A round bar with round ends, seen from the side, its tip at the top; with a nail and folds if it is a finger.

    roundness  how much darker it is at its sides, 0 to 1
    """
    height, width = int(np.ceil(length_px)) + 2, 2 * int(np.ceil(radius_px * 1.1)) + 2
    y, x = np.ogrid[:height, :width]
    x = x - (width - 1) / 2
    # A finger is thicker at its joints.
    radius = radius_px * (1 + (0.06 * np.cos(2 * np.pi * y / (3.2 * radius_px) - 2) if is_finger else 0 * y))
    away = np.hypot(x, np.maximum(np.maximum(radius_px - y, y - height + 1 + radius_px), 0)) / radius
    tone = 1 - roundness + roundness * np.sqrt(np.clip(1 - away**2, 0, 1))
    rgb = tone[..., None] * color
    if is_finger:
        for fold in (2.7, 3.0, 5.9, 6.3):
            rgb *= 1 - 0.16 * np.exp(-(((y + 0.08 * x**2 / radius_px) / radius_px - fold) ** 2) / 0.006)[..., None]
        nail = np.hypot(x / 0.62, (y - radius_px * 0.95) / 0.72) / radius_px
        weight = np.clip((1 - nail) * radius_px / 2, 0, 1)[..., None] * 0.7
        rgb += weight * (np.array(color) * (0.9, 0.84, 0.86) + 28 - rgb)
    rgb = np.clip(rgb, 0, 255).astype(np.uint8)
    add_grain(random, rgb, "paper", 3.0)
    alpha = (np.clip((1 - away) * radius_px + 0.5, 0, 1) * 255).astype(np.uint8)
    premultiplied = cv2.multiply(rgb, cv2.cvtColor(alpha, cv2.COLOR_GRAY2BGR), scale=1 / 255)
    return Plane(premultiplied, alpha, (0, 0), alpha.shape)


def hand(random: Generator, plane: Plane, density: float) -> list[Item]:
    """A hand that holds the card's plane: the palm below it, a thumb over one side, fingertips over the other."""
    skin = np.array(SKIN_TONES[random.integers(len(SKIN_TONES))]) * random.uniform(0.85, 1.05)
    side = int(random.integers(4))
    corners = plane.corners()

    def digit(side: int, along: float, inside_mm: float, radius_mm: float, length_mm: float, lean_deg: float) -> Item:
        start, end = corners[side], corners[(side + 1) % 4]
        direction = (end - start) / np.linalg.norm(end - start)
        inward = np.array([-direction[1], direction[0]])
        tip = start + along * (end - start) + inward * inside_mm * density
        rod = draw_rod(random, length_mm * density, radius_mm * density, skin, is_finger=radius_mm < 20)
        turn_deg = np.degrees(np.arctan2(inward[0], -inward[1])) + lean_deg
        return Item(rod, moved(np.array([rod.size[1] / 2, 0.0]), tip, turn_deg), is_above=radius_mm < 20)

    along = random.uniform(0.2, 0.8)
    digits = [digit(side, along, random.uniform(5, 22), random.uniform(8, 11), 220, random.normal(0, 18))]
    if random.random() < 0.7:
        palm_mm = random.uniform(30, 60)
        digits.append(digit(side, along, palm_mm, random.uniform(36, 44), 260, random.normal(0, 12)))
        first, lean_deg = random.uniform(0.1, 0.4), random.normal(0, 12)
        for finger in range(int(random.integers(0, 5))):
            across = first + finger * 17 * density / max(plane.size)
            digits.append(digit((side + 2) % 4, across, random.uniform(3, 10), random.uniform(7, 9), 23, lean_deg))
    return sorted(digits, key=lambda item: item.is_above)
