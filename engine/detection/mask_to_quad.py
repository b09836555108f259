"""Rough quad from a soft segmentation mask: four straight sides around its largest connected component."""

from __future__ import annotations

import cv2
import numpy as np

from engine.image.quads import clockwise, quad_from_lines, side_directions

STRAIGHT_SPAN = (0.1, 0.9)
MASK_UPSAMPLING = 2
CONTOUR_STEP = 2


def mask_to_quad(mask: np.ndarray) -> np.ndarray | None:
    """Fit four straight sides to the largest component of a soft mask.

    mask     (H, W) float32 in [0, 1]
    returns  (4, 2) float64 pixel centers of `mask`, clockwise on the screen; None if no component is large enough
    """
    size = (mask.shape[1] * MASK_UPSAMPLING, mask.shape[0] * MASK_UPSAMPLING)
    fine = cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR)
    # One pixel of padding, so that a component that touches the border still has a side there.
    binary = np.pad((fine > 0.5).astype(np.uint8), 1)
    contours, _ = cv2.findContours(binary, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    contour = max(contours, key=cv2.contourArea)
    if cv2.contourArea(contour) < 4 * MASK_UPSAMPLING**2:
        return None
    # The fit handles perspective: better initial corners than the rotated rectangle's did not help (n = 150).
    quad = clockwise(cv2.boxPoints(cv2.minAreaRect(contour)).astype(np.float64))
    points = contour.reshape(-1, 2)[::CONTOUR_STEP].astype(np.float64)
    # The contour runs through the centers of the component's outermost pixels, half a pixel inside its edge.
    points += 0.5 * _outward_normals(points, quad)
    for _ in range(2):
        fitted = _fit_sides(points, quad)
        if fitted is None:
            break
        quad = fitted
    return (quad - 1 + 0.5) / MASK_UPSAMPLING - 0.5


def _outward_normals(points: np.ndarray, quad: np.ndarray) -> np.ndarray:
    """Return the outward unit normal of the side nearest to each point, (N, 2)."""
    _, normals = side_directions(quad)
    distance = np.abs(np.einsum("ijk,jk->ij", points[:, None] - quad[None], normals))
    return normals[np.argmin(distance, axis=1)]


def _fit_sides(points: np.ndarray, quad: np.ndarray) -> np.ndarray | None:
    along, normals = side_directions(quad)
    lengths = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)
    offsets = points[:, None] - quad[None]
    distance = np.abs(np.einsum("ijk,jk->ij", offsets, normals))
    position = np.einsum("ijk,jk->ij", offsets, along) / lengths
    nearest = np.argmin(distance, axis=1)
    lines = []
    for side in range(4):
        on_side = (nearest == side) & (position[:, side] > STRAIGHT_SPAN[0]) & (position[:, side] < STRAIGHT_SPAN[1])
        on_side &= distance[:, side] < 0.15 * lengths.max()
        if on_side.sum() < 4:
            return None
        vx, vy, x, y = cv2.fitLine(points[on_side].astype(np.float32), cv2.DIST_HUBER, 0, 0.01, 0.01).ravel()
        lines.append((np.array([x, y], np.float64), np.array([vx, vy], np.float64)))
    return quad_from_lines(lines)
