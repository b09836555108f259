"""Faces for simulated cards, and grounds for them to lie on: drawn by chance, no two alike."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789    .,'-"))
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX)


def colour(random: Generator) -> np.ndarray:
    """One RGB colour, (3,) uint8; greys, blacks and whites are as common as they are on cards and tables."""
    kind = random.random()
    if kind < 0.2:
        return np.full(3, random.integers(215, 256), np.uint8)
    if kind < 0.4:
        return np.full(3, random.integers(0, 45), np.uint8)
    if kind < 0.55:
        return np.clip(random.integers(40, 215) + random.integers(-12, 13, 3), 0, 255).astype(np.uint8)
    return random.integers(0, 256, 3, dtype=np.uint8)


def near(random: Generator, base: np.ndarray, spread: int) -> np.ndarray:
    """A colour within `spread` levels of another, (3,) uint8."""
    return np.clip(base.astype(int) + random.integers(-spread, spread + 1, 3), 0, 255).astype(np.uint8)


def clouds(random: Generator, height: int, width: int) -> np.ndarray:
    """Smooth colour noise at several scales, (height, width, 3) uint8."""
    total = np.zeros((height, width, 3), np.float32)
    for cells in random.choice([2, 3, 5, 8, 16, 32], size=3, replace=False):
        coarse = random.random((int(cells), int(cells), 3), dtype=np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) / 3
    contrast = random.uniform(0.5, 2.0)
    base = colour(random).astype(np.float32)
    return np.clip((total - 0.5) * 255 * contrast + base, 0, 255).astype(np.uint8)


def cut_from(random: Generator, picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """A random part of a picture scaled to (height, width, 3), mirrored half of the time."""
    share = random.uniform(0.3, 1.0)
    tall, wide = picture.shape[:2]
    cut_height = max(8, int(min(tall, wide * height / width) * share))
    cut_width = max(8, min(wide, int(cut_height * width / height)))
    y = random.integers(0, tall - cut_height + 1)
    x = random.integers(0, wide - cut_width + 1)
    part = picture[y : y + cut_height, x : x + cut_width]
    part = part[:, ::-1] if random.random() < 0.5 else part
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)


def image_content(random: Generator, sources: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """What a picture on a card shows: part of a source picture, or clouds with a few shapes."""
    if sources and random.random() < 0.6:
        return cut_from(random, sources[random.integers(len(sources))], height, width).copy()
    content = clouds(random, height, width)
    for _ in range(random.integers(0, 7)):
        shape(random, content)
    return content


def shape(random: Generator, onto: np.ndarray) -> None:
    """Draw one random ellipse, line, polygon or box onto a picture, in place."""
    height, width = onto.shape[:2]
    ink = tuple(int(v) for v in colour(random))
    at = (int(random.integers(0, width)), int(random.integers(0, height)))
    kind = random.integers(4)
    if kind == 0:
        axes = (int(random.integers(1, width // 2 + 2)), int(random.integers(1, height // 2 + 2)))
        cv2.ellipse(onto, at, axes, float(random.uniform(0, 180)), 0, 360, ink, -1, cv2.LINE_AA)
    elif kind == 1:
        to = (int(random.integers(0, width)), int(random.integers(0, height)))
        cv2.line(onto, at, to, ink, int(random.integers(1, max(2, width // 20) + 1)), cv2.LINE_AA)
    elif kind == 2:
        points = random.integers(0, [width, height], size=(random.integers(3, 6), 2))
        cv2.fillPoly(onto, [points.astype(np.int32)], ink, cv2.LINE_AA)
    else:
        to = (int(random.integers(0, width)), int(random.integers(0, height)))
        cv2.rectangle(onto, at, to, ink, -1 if random.random() < 0.6 else int(random.integers(1, 4)))


def text(random: Generator, onto: np.ndarray, box: tuple[int, int, int, int], lines: int) -> None:
    """Write random lines into the box (x, y, width, height) of a picture, in place."""
    x, y, width, height = box
    pitch = height / lines
    scale = pitch / 34
    ink = tuple(int(v) for v in colour(random))
    font = int(random.choice(FONTS))
    for line in range(lines):
        count = int(random.uniform(0.3, 1.0) * width / (18 * scale + 1e-6))
        word = "".join(random.choice(LETTERS, size=max(1, min(count, 60))))
        at = (int(x), int(y + (line + 0.75) * pitch))
        cv2.putText(onto, word, at, font, scale, ink, max(1, round(scale)), cv2.LINE_AA)


def card_face(
    random: Generator, sources: list[np.ndarray], height: int, width: int, edge: np.ndarray | None = None
) -> np.ndarray:
    """A card's printed side, (height, width, 3) uint8: a border or none, frames, pictures, boxes, lines of text.

    `edge` is the colour of its outermost border, drawn by chance when None.
    """
    edge = colour(random) if edge is None else edge
    style = random.random()
    if style < 0.35:
        return _game_face(random, sources, height, width, edge)
    if style < 0.45:
        return _back(random, height, width, edge)
    face = np.full((height, width, 3), edge, np.uint8)
    inner = _inside(random, height, width, borderless=random.random() < 0.2)
    for _ in range(random.integers(1, 4)):
        x, y, wide, high = inner
        if wide < 8 or high < 8:
            break
        face[y : y + high, x : x + wide] = colour(random)
        inner = _within(random, inner)
    x, y, wide, high = _inside(random, height, width, borderless=True) if random.random() < 0.15 else inner
    high = max(4, int(high * random.uniform(0.4, 1.0)))
    face[y : y + high, x : x + wide] = image_content(random, sources, high, wide)
    for _ in range(random.integers(0, 4)):
        box_width, box_height = int(width * random.uniform(0.2, 0.9)), int(height * random.uniform(0.03, 0.3))
        box = (int(random.uniform(0, width - box_width)), int(random.uniform(0, height - box_height)))
        if random.random() < 0.5:
            cv2.rectangle(face, box, (box[0] + box_width, box[1] + box_height), colour(random).tolist(), -1)
        text(random, face, (*box, box_width, box_height), int(random.integers(1, 6)))
    return face


def _game_face(random: Generator, sources: list[np.ndarray], height: int, width: int, edge: np.ndarray) -> np.ndarray:
    """A game's card: a dark or light rim, a textured frame, a title, a picture, a box of rules."""
    face = np.full((height, width, 3), edge if random.random() < 0.4 else random.integers(8, 45), np.uint8)
    rim = max(1, int(width * random.uniform(0.035, 0.065)))
    frame = np.full((height - 2 * rim, width - 2 * rim, 3), colour(random), np.float32)
    grain = clouds(random, *frame.shape[:2]).astype(np.float32) - 128
    face[rim:-rim, rim:-rim] = np.clip(frame + grain * random.uniform(0, 0.3), 0, 255).astype(np.uint8)
    left, right = int(width * random.uniform(0.08, 0.13)), int(width * random.uniform(0.87, 0.92))
    top, middle = int(height * random.uniform(0.09, 0.13)), int(height * random.uniform(0.45, 0.6))
    face[top:middle, left:right] = image_content(random, sources, middle - top, right - left)
    box_top, box_bottom = middle + int(height * 0.05), int(height * random.uniform(0.86, 0.93))
    face[box_top:box_bottom, left:right] = near(random, np.full(3, 205, np.uint8), 45)
    text(random, face, (left, rim, right - left, max(4, top - rim)), 1)
    text(random, face, (left, middle, right - left, max(4, box_top - middle)), 1)
    text(random, face, (left + 3, box_top, right - left - 6, box_bottom - box_top), int(random.integers(3, 8)))
    return face


def _back(random: Generator, height: int, width: int, edge: np.ndarray) -> np.ndarray:
    """A game's back: a rim, a dark texture, a large oval or box, a word across."""
    face = np.full((height, width, 3), edge, np.uint8)
    rim = max(1, int(width * random.uniform(0.03, 0.07)))
    face[rim:-rim, rim:-rim] = clouds(random, height - 2 * rim, width - 2 * rim) // 2
    ink, rim_ink = colour(random).tolist(), colour(random).tolist()
    axes = (int(width * random.uniform(0.3, 0.44)), int(height * random.uniform(0.25, 0.42)))
    cv2.ellipse(face, (width // 2, height // 2), axes, 0, 0, 360, ink, -1, cv2.LINE_AA)
    cv2.ellipse(face, (width // 2, height // 2), axes, 0, 0, 360, rim_ink, 2, cv2.LINE_AA)
    text(random, face, (width // 8, int(height * random.uniform(0.15, 0.7)), width * 3 // 4, height // 7), 1)
    return face


def _inside(random: Generator, height: int, width: int, *, borderless: bool) -> tuple[int, int, int, int]:
    if borderless:
        return (0, 0, width, height)
    left, right, top, bottom = (int(v * width) for v in random.uniform(0.02, 0.1, 4))
    return (left, top, width - left - right, height - top - bottom)


def _within(random: Generator, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    x, y, width, height = box
    left, right, top, bottom = (int(v * width) for v in random.uniform(0.01, 0.07, 4))
    return (x + left, y + top, width - left - right, height - top - bottom)


def ground(
    random: Generator, sources: list[np.ndarray], height: int, width: int, like: np.ndarray | None = None
) -> np.ndarray:
    """What a card lies on, (height, width, 3) uint8: plain, cloth, wood, ruled paper, a print, a room.

    `like` asks for a plain ground within a few levels of that colour: black on black, white on white.
    """
    kind = 0.0 if like is not None else random.random()
    base = colour(random) if like is None else near(random, like, 14)
    if kind < 0.35:
        plain = np.full((height, width, 3), base, np.float32)
    elif kind < 0.5:
        plain = _striped(random, height, width, base)
    elif kind < 0.6:
        plain = _ruled(random, height, width, base)
    elif kind < 0.7:
        plain = clouds(random, height, width).astype(np.float32)
    else:
        picture = image_content(random, sources, height, width)
        plain = cv2.GaussianBlur(picture, (0, 0), random.uniform(0.3, 4.0)).astype(np.float32)
    grain: np.ndarray = random.normal(0, random.uniform(0, 9), (height, width, 1)).astype(np.float32)
    if random.random() < 0.5:
        grain = cv2.GaussianBlur(grain, (0, 0), random.uniform(0.4, 2.0))[..., None]
    return np.clip(plain + grain, 0, 255).astype(np.uint8)


def lid(random: Generator, height: int, width: int, like: np.ndarray | None = None) -> np.ndarray:
    """What a scanned card lies under, (height, width, 3) uint8: a white lid, a black one, now and then another colour.

    `like` asks for one within a few levels of that colour.
    """
    kind = random.random()
    white, black = np.full(3, random.integers(225, 256), np.uint8), np.full(3, random.integers(0, 40), np.uint8)
    base = near(random, white, 6) if kind < 0.55 else near(random, black, 6) if kind < 0.85 else colour(random)
    base = base if like is None else near(random, like, 14)
    dust: np.ndarray = random.normal(0, random.uniform(0, 2.5), (height, width, 1)).astype(np.float32)
    return np.clip(base.astype(np.float32) + dust, 0, 255).astype(np.uint8)


def _striped(random: Generator, height: int, width: int, base: np.ndarray) -> np.ndarray:
    """Wood grain, or the smeared edges that some pictures are padded with."""
    along = random.normal(0, random.uniform(4, 30), (height, int(random.integers(1, 6)))).astype(np.float32)
    across = cv2.resize(along, (width, height), interpolation=cv2.INTER_LINEAR)
    across = cv2.GaussianBlur(across, (0, 0), random.uniform(0.5, 3.0))
    if random.random() < 0.5:
        across = cv2.resize(across.T, (width, height))
    return base.astype(np.float32) + across[..., None]


def _ruled(random: Generator, height: int, width: int, base: np.ndarray) -> np.ndarray:
    paper = np.full((height, width, 3), base, np.float32)
    ink = near(random, base, 70).astype(np.float32)
    pitch = int(random.integers(8, max(10, width // 6)))
    paper[random.integers(pitch) :: pitch] = ink
    if random.random() < 0.6:
        paper[:, random.integers(pitch) :: pitch] = ink
    return paper
