"""From a soft mask of the card to a rough quad: four straight sides around its largest blob."""

from __future__ import annotations

import cv2
import numpy as np

from engine.image.quads import clockwise, crossings, directions

STRAIGHT = (0.1, 0.9)
COVER_ENLARGED = 2
CONTOUR_EVERY = 2


def quad_of_cover(cover: np.ndarray) -> np.ndarray | None:
    """Four straight sides around the largest blob of a soft mask.

    cover    (H, W) float32 in [0, 1]
    returns  (4, 2) float64 pixel centres of `cover`, clockwise on the screen, or None where there is no blob
    """
    size = (cover.shape[1] * COVER_ENLARGED, cover.shape[0] * COVER_ENLARGED)
    # A cell beyond each border, so that a blob that touches it still has a side there.
    fine = cv2.resize(cover, size, interpolation=cv2.INTER_LINEAR)
    mask = np.pad((fine > 0.5).astype(np.uint8), 1)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    contour = max(contours, key=cv2.contourArea)
    if cv2.contourArea(contour) < 4 * COVER_ENLARGED**2:
        return None
    # Perspective is left to the fit: more careful corners of the blob began no nearer (n = 150).
    quad = clockwise(cv2.boxPoints(cv2.minAreaRect(contour)).astype(np.float64))
    points = contour.reshape(-1, 2)[::CONTOUR_EVERY].astype(np.float64)
    # The contour runs through the centres of the blob's outermost pixels, half a pixel inside its edge.
    points += 0.5 * _outward(points, quad)
    for _ in range(2):
        refitted = _refitted(points, quad)
        if refitted is None:
            break
        quad = refitted
    return (quad - 1 + 0.5) / COVER_ENLARGED - 0.5


def _outward(points: np.ndarray, quad: np.ndarray) -> np.ndarray:
    """(N, 2) unit normals, each of the side that a point lies nearest to."""
    _, normals = directions(quad)
    distance = np.abs(np.einsum("ijk,jk->ij", points[:, None] - quad[None], normals))
    return normals[np.argmin(distance, axis=1)]


def _refitted(points: np.ndarray, quad: np.ndarray) -> np.ndarray | None:
    along, normals = directions(quad)
    lengths = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)
    offsets = points[:, None] - quad[None]
    distance = np.abs(np.einsum("ijk,jk->ij", offsets, normals))
    share = np.einsum("ijk,jk->ij", offsets, along) / lengths
    nearest = np.argmin(distance, axis=1)
    lines = []
    for side in range(4):
        own = (nearest == side) & (share[:, side] > STRAIGHT[0]) & (share[:, side] < STRAIGHT[1])
        own &= distance[:, side] < 0.15 * lengths.max()
        if own.sum() < 4:
            return None
        vx, vy, x, y = cv2.fitLine(points[own].astype(np.float32), cv2.DIST_HUBER, 0, 0.01, 0.01).ravel()
        lines.append((np.array([x, y], np.float64), np.array([vx, vy], np.float64)))
    return crossings(lines)
