"""Geometry of a card's rim in millimeters: rounded and frayed corners, missing pieces, and strips along the rim.

Corners are numbered clockwise from the top left, edges from the top; the back has the front's rim, mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.image.rectify import CardSize

MIRRORED_CORNER = (1, 0, 3, 2)
MIRRORED_EDGE = (0, 3, 2, 1)
STEP_MM = 0.12
CONVERGENCE_MM = (
    12.0  # distance inside a corner's arc, along each axis, of the point that the corner's strips converge to
)
# From each corner, the directions back along the edge before it and forward along the edge after it.
BACKWARD = np.array([(0.0, 1.0), (-1, 0), (0, -1), (1, 0)])
FORWARD = np.array([(1.0, 0.0), (0, 1), (-1, 0), (0, -1)])


@dataclass(frozen=True)
class RimRecess:
    """Depths (N,) mm of the worn rim inside the cut rim, at positions (N,) mm along it; 0 beyond them."""

    along_mm: np.ndarray
    depth_mm: np.ndarray

    def depth_at(self, along_mm: np.ndarray) -> np.ndarray:
        """Depths in millimeters at these positions."""
        return np.interp(along_mm, self.along_mm, self.depth_mm, left=0.0, right=0.0)


@dataclass(frozen=True)
class CardRim:
    """A card's rim.

    radii_mm  radii of the four corners, nominal radius plus rounding
    frays     fraying of each corner; positions along the rim from the corner's middle, clockwise positive
    bites     edge and recess of each missing piece; positions clockwise from the edge's first corner
    """

    size: CardSize
    radii_mm: tuple[float, ...]
    frays: tuple[RimRecess | None, ...] = (None,) * 4
    bites: tuple[tuple[int, RimRecess], ...] = ()

    def mirrored(self) -> CardRim:
        """The rim of the same card as seen from its other side."""
        frays = tuple(
            None if recess is None else RimRecess(-recess.along_mm[::-1], recess.depth_mm[::-1])
            for recess in (self.frays[corner] for corner in MIRRORED_CORNER)
        )
        bites = tuple(
            (MIRRORED_EDGE[edge], RimRecess(self.edge_length(edge) - bite.along_mm[::-1], bite.depth_mm[::-1]))
            for edge, bite in self.bites
        )
        return replace(self, radii_mm=tuple(self.radii_mm[c] for c in MIRRORED_CORNER), frays=frays, bites=bites)

    def edge_length(self, edge: int) -> float:
        """Length from corner to corner in millimeters."""
        return self.size.height_mm if edge % 2 else self.size.width_mm

    def vertex(self, corner: int) -> np.ndarray:
        """Intersection of a corner's two edges, (2,) mm."""
        width, height = self.size.width_mm, self.size.height_mm
        return np.array([(0.0, 0.0), (width, 0), (width, height), (0, height)][corner])

    def corner_points(self, corner: int, along_mm: np.ndarray) -> np.ndarray:
        """Points (N, 2) of the rim at distances (N,) along it from the corner's middle, clockwise positive."""
        radius = self.radii_mm[corner]
        half_arc = radius * np.pi / 4
        angle = np.clip(along_mm / max(radius, 1e-9) + np.pi / 4, 0, np.pi / 2)
        back = radius * (1 - np.sin(angle)) + np.maximum(-along_mm - half_arc, 0)
        ahead = radius * (1 - np.cos(angle)) + np.maximum(along_mm - half_arc, 0)
        points = self.vertex(corner) + back[:, None] * BACKWARD[corner] + ahead[:, None] * FORWARD[corner]
        fray = self.frays[corner]
        return points if fray is None else self.move_inward(corner, points, fray.depth_at(along_mm))

    def move_inward(self, corner: int, points: np.ndarray, depth_mm: np.ndarray) -> np.ndarray:
        """Move points near a corner into the card, all towards one point, so that strips never cross themselves."""
        convergence = self.vertex(corner) + (self.radii_mm[corner] + CONVERGENCE_MM) * (
            BACKWARD[corner] + FORWARD[corner]
        )
        direction = convergence - points
        return points + direction * (depth_mm / np.linalg.norm(direction, axis=1))[:, None]

    def corner_strip(self, corner: int, along_mm: np.ndarray, depth_mm: np.ndarray) -> np.ndarray:
        """Outline, (2 N, 2) mm, of the strip between the rim and these depths into the card."""
        outer = self.corner_points(corner, along_mm)
        return np.concatenate([outer, self.move_inward(corner, outer, depth_mm)[::-1]])

    def edge_points(self, edge: int, along_mm: np.ndarray, depth_mm: np.ndarray) -> np.ndarray:
        """Points (N, 2) at distances along an edge, clockwise from its first corner, and depths into the card."""
        forward = FORWARD[edge]
        inward = np.array([-forward[1], forward[0]])  # a quarter turn clockwise, y being down
        return self.vertex(edge) + along_mm[:, None] * forward + depth_mm[:, None] * inward

    def edge_strip(self, edge: int, along_mm: np.ndarray, depth_mm: np.ndarray) -> np.ndarray:
        """Outline, (2 N, 2) mm, of the strip between an edge, less its missing pieces, and depths inside of it."""
        missing_mm = np.zeros_like(along_mm)
        for bite_edge, bite in self.bites:
            if bite_edge == edge:
                missing_mm = np.maximum(missing_mm, bite.depth_at(along_mm))
        outer = self.edge_points(edge, along_mm, missing_mm)
        return np.concatenate([outer, self.edge_points(edge, along_mm, missing_mm + depth_mm)[::-1]])

    def lost_corner(self, corner: int) -> np.ndarray:
        """Outline, (N + 1, 2) mm, of the area between a corner's vertex and its rounded, frayed rim."""
        fray = self.frays[corner]
        reach = self.radii_mm[corner] * np.pi / 4 + 0.5
        if fray is not None:
            reach = max(reach, float(np.abs(fray.along_mm).max()) + 0.1)
        positions = np.linspace(-reach, reach, 96)
        return np.concatenate([self.corner_points(corner, positions), self.vertex(corner)[None]])


def positions_along(start_mm: float, end_mm: float) -> np.ndarray:
    """Positions about 0.12 mm apart, both ends included."""
    return np.linspace(start_mm, end_mm, max(3, int((end_mm - start_mm) / STEP_MM) + 1))


def area_mm2(outline: np.ndarray) -> float:
    """Area of a simple polygon, (N, 2), by the shoelace formula."""
    x, y = outline[:, 0], outline[:, 1]
    return 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))


def length_mm(line: np.ndarray) -> float:
    """Length of a polyline, (N, 2)."""
    return float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())


def mirrored_points(points: np.ndarray, size: CardSize) -> np.ndarray:
    """Points (N, 2) of one side in the coordinates of the other side."""
    return np.column_stack([size.width_mm - points[:, 0], points[:, 1]])
