"""Random card faces and backgrounds for simulated captures."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789    .,'-"))
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX)


def random_color(random: Generator) -> np.ndarray:
    """Draw an RGB color, (3,) uint8; grays, blacks and whites are as common as on cards and tables."""
    kind = random.random()
    if kind < 0.2:
        return np.full(3, random.integers(215, 256), np.uint8)
    if kind < 0.4:
        return np.full(3, random.integers(0, 45), np.uint8)
    if kind < 0.55:
        return np.clip(random.integers(40, 215) + random.integers(-12, 13, 3), 0, 255).astype(np.uint8)
    return random.integers(0, 256, 3, dtype=np.uint8)


def similar_color(random: Generator, base: np.ndarray, spread: int) -> np.ndarray:
    """Draw a color within `spread` levels of another, (3,) uint8."""
    return np.clip(base.astype(int) + random.integers(-spread, spread + 1, 3), 0, 255).astype(np.uint8)


def color_noise(random: Generator, height: int, width: int) -> np.ndarray:
    """Draw smooth color noise at several scales, (height, width, 3) uint8."""
    total = np.zeros((height, width, 3), np.float32)
    for cells in random.choice([2, 3, 5, 8, 16, 32], size=3, replace=False):
        coarse = random.random((int(cells), int(cells), 3), dtype=np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) / 3
    contrast = random.uniform(0.5, 2.0)
    base = random_color(random).astype(np.float32)
    return np.clip((total - 0.5) * 255 * contrast + base, 0, 255).astype(np.uint8)


def random_crop(random: Generator, picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Crop a random part of a picture, scaled to (height, width, 3) and mirrored with probability .5."""
    fraction = random.uniform(0.3, 1.0)
    tall, wide = picture.shape[:2]
    cut_height = max(8, int(min(tall, wide * height / width) * fraction))
    cut_width = max(8, min(wide, int(cut_height * width / height)))
    y = random.integers(0, tall - cut_height + 1)
    x = random.integers(0, wide - cut_width + 1)
    part = picture[y : y + cut_height, x : x + cut_width]
    part = part[:, ::-1] if random.random() < 0.5 else part
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)


def artwork(random: Generator, sources: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """Draw the artwork of a card: part of a source picture, or color noise with a few shapes."""
    if sources and random.random() < 0.6:
        return random_crop(random, sources[random.integers(len(sources))], height, width).copy()
    content = color_noise(random, height, width)
    for _ in range(random.integers(0, 7)):
        draw_shape(random, content)
    return content


def draw_shape(random: Generator, onto: np.ndarray) -> None:
    """Draw a random ellipse, line, polygon or box onto a picture, in place."""
    height, width = onto.shape[:2]
    ink = tuple(int(v) for v in random_color(random))
    start = (int(random.integers(0, width)), int(random.integers(0, height)))
    kind = random.integers(4)
    if kind == 0:
        axes = (int(random.integers(1, width // 2 + 2)), int(random.integers(1, height // 2 + 2)))
        cv2.ellipse(onto, start, axes, float(random.uniform(0, 180)), 0, 360, ink, -1, cv2.LINE_AA)
    elif kind == 1:
        end = (int(random.integers(0, width)), int(random.integers(0, height)))
        cv2.line(onto, start, end, ink, int(random.integers(1, max(2, width // 20) + 1)), cv2.LINE_AA)
    elif kind == 2:
        points = random.integers(0, [width, height], size=(random.integers(3, 6), 2))
        cv2.fillPoly(onto, [points.astype(np.int32)], ink, cv2.LINE_AA)
    else:
        end = (int(random.integers(0, width)), int(random.integers(0, height)))
        cv2.rectangle(onto, start, end, ink, -1 if random.random() < 0.6 else int(random.integers(1, 4)))


def draw_text(random: Generator, onto: np.ndarray, box: tuple[int, int, int, int], lines: int) -> None:
    """Write random lines into the box (x, y, width, height) of a picture, in place."""
    x, y, width, height = box
    pitch = height / lines
    scale = pitch / 34
    ink = tuple(int(v) for v in random_color(random))
    font = int(random.choice(FONTS))
    for line in range(lines):
        count = int(random.uniform(0.3, 1.0) * width / (18 * scale + 1e-6))
        characters = "".join(random.choice(LETTERS, size=max(1, min(count, 60))))
        origin = (int(x), int(y + (line + 0.75) * pitch))
        cv2.putText(onto, characters, origin, font, scale, ink, max(1, round(scale)), cv2.LINE_AA)


def card_face(
    random: Generator, sources: list[np.ndarray], height: int, width: int, edge: np.ndarray | None = None
) -> np.ndarray:
    """Draw a card's printed side, (height, width, 3) uint8: border, frames, artwork, boxes and lines of text.

    `edge` is the color of the outermost border; random if None.
    """
    edge = random_color(random) if edge is None else edge
    style = random.random()
    if style < 0.35:
        return _game_face(random, sources, height, width, edge)
    if style < 0.45:
        return _game_back(random, height, width, edge)
    face = np.full((height, width, 3), edge, np.uint8)
    inner = _inner_box(random, height, width, borderless=random.random() < 0.2)
    for _ in range(random.integers(1, 4)):
        x, y, wide, high = inner
        if wide < 8 or high < 8:
            break
        face[y : y + high, x : x + wide] = random_color(random)
        inner = _shrink_box(random, inner)
    x, y, wide, high = _inner_box(random, height, width, borderless=True) if random.random() < 0.15 else inner
    high = max(4, int(high * random.uniform(0.4, 1.0)))
    face[y : y + high, x : x + wide] = artwork(random, sources, high, wide)
    for _ in range(random.integers(0, 4)):
        box_width, box_height = int(width * random.uniform(0.2, 0.9)), int(height * random.uniform(0.03, 0.3))
        box = (int(random.uniform(0, width - box_width)), int(random.uniform(0, height - box_height)))
        if random.random() < 0.5:
            cv2.rectangle(face, box, (box[0] + box_width, box[1] + box_height), random_color(random).tolist(), -1)
        draw_text(random, face, (*box, box_width, box_height), int(random.integers(1, 6)))
    return face


def _game_face(random: Generator, sources: list[np.ndarray], height: int, width: int, edge: np.ndarray) -> np.ndarray:
    """Draw a game card: a dark or light rim, a textured frame, a title, artwork, a rules box."""
    face = np.full((height, width, 3), edge if random.random() < 0.4 else random.integers(8, 45), np.uint8)
    rim = max(1, int(width * random.uniform(0.035, 0.065)))
    frame = np.full((height - 2 * rim, width - 2 * rim, 3), random_color(random), np.float32)
    grain = color_noise(random, *frame.shape[:2]).astype(np.float32) - 128
    face[rim:-rim, rim:-rim] = np.clip(frame + grain * random.uniform(0, 0.3), 0, 255).astype(np.uint8)
    left, right = int(width * random.uniform(0.08, 0.13)), int(width * random.uniform(0.87, 0.92))
    top, middle = int(height * random.uniform(0.09, 0.13)), int(height * random.uniform(0.45, 0.6))
    face[top:middle, left:right] = artwork(random, sources, middle - top, right - left)
    box_top, box_bottom = middle + int(height * 0.05), int(height * random.uniform(0.86, 0.93))
    face[box_top:box_bottom, left:right] = similar_color(random, np.full(3, 205, np.uint8), 45)
    draw_text(random, face, (left, rim, right - left, max(4, top - rim)), 1)
    draw_text(random, face, (left, middle, right - left, max(4, box_top - middle)), 1)
    draw_text(random, face, (left + 3, box_top, right - left - 6, box_bottom - box_top), int(random.integers(3, 8)))
    return face


def _game_back(random: Generator, height: int, width: int, edge: np.ndarray) -> np.ndarray:
    """Draw a game card's back: a rim, a dark texture, a large oval, a line of text."""
    face = np.full((height, width, 3), edge, np.uint8)
    rim = max(1, int(width * random.uniform(0.03, 0.07)))
    face[rim:-rim, rim:-rim] = color_noise(random, height - 2 * rim, width - 2 * rim) // 2
    ink, rim_ink = random_color(random).tolist(), random_color(random).tolist()
    axes = (int(width * random.uniform(0.3, 0.44)), int(height * random.uniform(0.25, 0.42)))
    cv2.ellipse(face, (width // 2, height // 2), axes, 0, 0, 360, ink, -1, cv2.LINE_AA)
    cv2.ellipse(face, (width // 2, height // 2), axes, 0, 0, 360, rim_ink, 2, cv2.LINE_AA)
    draw_text(random, face, (width // 8, int(height * random.uniform(0.15, 0.7)), width * 3 // 4, height // 7), 1)
    return face


def _inner_box(random: Generator, height: int, width: int, *, borderless: bool) -> tuple[int, int, int, int]:
    if borderless:
        return (0, 0, width, height)
    left, right, top, bottom = (int(v * width) for v in random.uniform(0.02, 0.1, 4))
    return (left, top, width - left - right, height - top - bottom)


def _shrink_box(random: Generator, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    x, y, width, height = box
    left, right, top, bottom = (int(v * width) for v in random.uniform(0.01, 0.07, 4))
    return (x + left, y + top, width - left - right, height - top - bottom)


def background(
    random: Generator, sources: list[np.ndarray], height: int, width: int, similar_to: np.ndarray | None = None
) -> np.ndarray:
    """Draw a background, (height, width, 3) uint8: plain, cloth, wood, ruled paper, a print, scenery.

    With `similar_to`, a plain background within a few levels of that color: black on black, white on white.
    """
    kind = 0.0 if similar_to is not None else random.random()
    base = random_color(random) if similar_to is None else similar_color(random, similar_to, 14)
    if kind < 0.35:
        surface = np.full((height, width, 3), base, np.float32)
    elif kind < 0.5:
        surface = _striped(random, height, width, base)
    elif kind < 0.6:
        surface = _ruled(random, height, width, base)
    elif kind < 0.7:
        surface = color_noise(random, height, width).astype(np.float32)
    else:
        picture = artwork(random, sources, height, width)
        surface = cv2.GaussianBlur(picture, (0, 0), random.uniform(0.3, 4.0)).astype(np.float32)
    grain: np.ndarray = random.normal(0, random.uniform(0, 9), (height, width, 1)).astype(np.float32)
    if random.random() < 0.5:
        grain = cv2.GaussianBlur(grain, (0, 0), random.uniform(0.4, 2.0))[..., None]
    return np.clip(surface + grain, 0, 255).astype(np.uint8)


def scanner_lid(random: Generator, height: int, width: int, similar_to: np.ndarray | None = None) -> np.ndarray:
    """Draw a scanner's lid, (height, width, 3) uint8: white, black, or occasionally another color.

    With `similar_to`, a lid within a few levels of that color.
    """
    kind = random.random()
    white, black = np.full(3, random.integers(225, 256), np.uint8), np.full(3, random.integers(0, 40), np.uint8)
    base = (
        similar_color(random, white, 6)
        if kind < 0.55
        else similar_color(random, black, 6)
        if kind < 0.85
        else random_color(random)
    )
    base = base if similar_to is None else similar_color(random, similar_to, 14)
    dust: np.ndarray = random.normal(0, random.uniform(0, 2.5), (height, width, 1)).astype(np.float32)
    return np.clip(base.astype(np.float32) + dust, 0, 255).astype(np.uint8)


def _striped(random: Generator, height: int, width: int, base: np.ndarray) -> np.ndarray:
    """Draw wood grain, or the smeared edges with which some pictures are padded."""
    along = random.normal(0, random.uniform(4, 30), (height, int(random.integers(1, 6)))).astype(np.float32)
    across = cv2.resize(along, (width, height), interpolation=cv2.INTER_LINEAR)
    across = cv2.GaussianBlur(across, (0, 0), random.uniform(0.5, 3.0))
    if random.random() < 0.5:
        across = cv2.resize(across.T, (width, height))
    return base.astype(np.float32) + across[..., None]


def _ruled(random: Generator, height: int, width: int, base: np.ndarray) -> np.ndarray:
    paper = np.full((height, width, 3), base, np.float32)
    ink = similar_color(random, base, 70).astype(np.float32)
    pitch = int(random.integers(8, max(10, width // 6)))
    paper[random.integers(pitch) :: pitch] = ink
    if random.random() < 0.6:
        paper[:, random.integers(pitch) :: pitch] = ink
    return paper
