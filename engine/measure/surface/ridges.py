"""Pale thin lines in a picture of a surface: where they are, which way they run, how far they stand out."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

DIRECTIONS = 12
LINE_PX = 11
LEAST_STEP = 3.0
OVER_TEXTURE = 2.8
TEXTURE_MM = 6.0
SHORTEST_MM = 1.0
THINNEST = 3.0
MOST_PIECES = 500


@dataclass(frozen=True)
class Piece:
    """A straight piece of a pale line, in pixels of the picture it was found in.

    start, end  (2,) x and y
    step        how many levels it stands out from both of its sides, the mean along it
    """

    start: np.ndarray
    end: np.ndarray
    step: float

    @property
    def length(self) -> float:
        """In pixels."""
        return float(np.linalg.norm(self.end - self.start))

    @property
    def way(self) -> np.ndarray:
        """Unit vector from start to end."""
        return (self.end - self.start) / max(self.length, 1e-9)


def pale_lines(grey: np.ndarray, allowed: np.ndarray, *, aside_px: int, px_per_mm: float) -> list[Piece]:
    """Straight pieces of lines that are paler than what lies on both of their sides.

    grey      (H, W) float32, 0 to 255
    allowed   (H, W) bool, where to look
    aside_px  how far to the sides they are compared with
    """
    step, direction = _ridges(grey, aside_px)
    step[~allowed] = 0
    window = round(TEXTURE_MM * px_per_mm) | 1
    usual = cv2.blur(np.abs(step), (window, window)) / np.maximum(
        cv2.blur(allowed.astype(np.float32), (window, window)), 0.05
    )
    mask = step > np.maximum(LEAST_STEP, OVER_TEXTURE * usual)
    pieces: list[Piece] = []
    for index in range(DIRECTIONS):
        near = cv2.LUT(direction, _near(index)).view(bool)
        pieces += _straight_pieces(mask & near, step, direction, index, SHORTEST_MM * px_per_mm)
    return sorted(pieces, key=lambda piece: -piece.length * piece.step)[:MOST_PIECES]


def _ridges(grey: np.ndarray, aside_px: int) -> tuple[np.ndarray, np.ndarray]:
    """How far each pixel's best short line stands out from the lines beside it, and which way that line runs."""
    best = np.full(grey.shape, -255.0, np.float32)
    direction = np.zeros(grey.shape, np.uint8)
    for index in range(DIRECTIONS):
        angle = np.pi * index / DIRECTIONS
        along = cv2.filter2D(grey, cv2.CV_32F, _line_kernel(angle), borderType=cv2.BORDER_REPLICATE)
        dx, dy = round(-np.sin(angle) * aside_px), round(np.cos(angle) * aside_px)
        sides = cv2.max(_moved(along, dx, dy), _moved(along, -dx, -dy))
        stands = along - sides
        better = stands > best
        np.copyto(best, stands, where=better)
        np.copyto(direction, np.uint8(index), where=better)
    return np.maximum(best, 0), direction


def _near(index: int) -> np.ndarray:
    """(256,) uint8: 1 for a direction and both of its neighbours."""
    table = np.zeros(256, np.uint8)
    table[[(index + turn) % DIRECTIONS for turn in (-1, 0, 1)]] = 1
    return table


def _line_kernel(angle: float) -> np.ndarray:
    """A line of eleven pixels through the middle, smooth between pixels, summing to 1."""
    half = LINE_PX // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    off = np.abs(-np.sin(angle) * x + np.cos(angle) * y)
    on = np.abs(np.cos(angle) * x + np.sin(angle) * y)
    kernel = np.clip(1 - off, 0, 1) * np.clip(half + 0.5 - on, 0, 1)
    return np.asarray(kernel / kernel.sum(), np.float32)


def _moved(picture: np.ndarray, dx: int, dy: int) -> np.ndarray:
    """The picture so that each pixel holds what lies (dx, dy) from it; beyond its bounds its edge goes on."""
    height, width = picture.shape
    pad = max(abs(dx), abs(dy))
    wide = cv2.copyMakeBorder(picture, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    return wide[pad + dy : pad + dy + height, pad + dx : pad + dx + width]


def _straight_pieces(
    mask: np.ndarray, step: np.ndarray, direction: np.ndarray, index: int, shortest_px: float
) -> list[Piece]:
    """The connected pieces of a mask that are long, and straight, and most of which run in the direction `index`."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    long = np.hypot(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]) >= shortest_px
    long[0] = False  # what is not of the mask
    rows, columns = np.nonzero(mask)
    # The same piece shows up for the neighbouring directions too: it belongs to the one that most of it has.
    label = labels[rows, columns]
    ways = np.bincount(label * DIRECTIONS + direction[rows, columns], minlength=len(long) * DIRECTIONS)
    taken = long & (ways.reshape(-1, DIRECTIONS).argmax(axis=1) == index)
    rows, columns, label = (of_all[taken[label]] for of_all in (rows, columns, label))
    piece = (np.cumsum(taken) - 1)[label]
    return [
        each
        for each in _fitted(np.column_stack([columns, rows]), step[rows, columns], piece)
        if each.length >= shortest_px
    ]


def _fitted(points: np.ndarray, weights: np.ndarray, piece: np.ndarray) -> list[Piece]:
    """The straight line through the weighted pixels of each piece; nothing for those that are no line.

    points  (N, 2) pixels, weights (N,), piece (N,) 0 to K - 1: the piece that each pixel is of
    """
    if not len(points):
        return []
    order = np.argsort(piece, kind="stable")
    points, weights, piece = points[order].astype(np.float64), weights[order].astype(np.float64), piece[order]
    begins = np.searchsorted(piece, np.arange(piece[-1] + 1))

    def sums(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values, begins, axis=0)

    whole = sums(weights)
    middle = sums(points * weights[:, None]) / whole[:, None]
    off = points - middle[piece]
    spread = sums(weights[:, None, None] * off[:, :, None] * off[:, None, :])
    # As for a sample that tells its own mean, weights being how reliable each pixel is.
    spread /= np.maximum(whole - sums(weights**2) / whole, 1e-9)[:, None, None]
    values, vectors = np.linalg.eigh(spread)
    way = vectors[:, :, 1]
    along = (off * way[piece]).sum(axis=1)
    low, high = np.minimum.reduceat(along, begins), np.maximum.reduceat(along, begins)
    starts, ends = middle + low[:, None] * way, middle + high[:, None] * way
    line = values[:, 1] >= THINNEST**2 * np.maximum(values[:, 0], 0.1)
    steps = whole / np.diff(begins, append=len(piece))
    return [Piece(starts[at], ends[at], float(steps[at])) for at in np.flatnonzero(line)]
