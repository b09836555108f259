"""The card's rim in millimetres: corners rounded, frayed and bitten, and strips along it. Pure geometry.

Corners are numbered clockwise from the top left, edges from the top; both sides of a card share one rim, mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.image.rectify import CardSize

MIRRORED_CORNER = (1, 0, 3, 2)
MIRRORED_EDGE = (0, 3, 2, 1)
STEP_MM = 0.12
HEART_MM = 12.0  # how far inside the corner's arc the point lies that its strips reach towards
# From each corner, the directions back along the edge before it and forward along the edge after it.
BACKWARD = np.array([(0.0, 1.0), (-1, 0), (0, -1), (1, 0)])
FORWARD = np.array([(1.0, 0.0), (0, 1), (-1, 0), (0, -1)])


@dataclass(frozen=True)
class Recess:
    """How far the rim lies inside of where it was cut: depths (N,) mm at places (N,) mm along it, 0 beyond them."""

    along_mm: np.ndarray
    depth_mm: np.ndarray

    def at(self, along_mm: np.ndarray) -> np.ndarray:
        """Depths in millimetres at those places."""
        return np.interp(along_mm, self.along_mm, self.depth_mm, left=0.0, right=0.0)


@dataclass(frozen=True)
class Rim:
    """A card's rim.

    radii_mm  of the four corners, norm and rounding together
    frays     what each corner lost to fraying, measured along the rim from the corner's middle, clockwise positive
    bites     the edge and the recess of each piece that is missing, measured clockwise from the edge's first corner
    """

    size: CardSize
    radii_mm: tuple[float, ...]
    frays: tuple[Recess | None, ...] = (None,) * 4
    bites: tuple[tuple[int, Recess], ...] = ()

    def mirrored(self) -> Rim:
        """The same card seen from its other side."""
        frays = tuple(
            None if recess is None else Recess(-recess.along_mm[::-1], recess.depth_mm[::-1])
            for recess in (self.frays[corner] for corner in MIRRORED_CORNER)
        )
        bites = tuple(
            (MIRRORED_EDGE[edge], Recess(self.edge_length(edge) - bite.along_mm[::-1], bite.depth_mm[::-1]))
            for edge, bite in self.bites
        )
        return replace(self, radii_mm=tuple(self.radii_mm[c] for c in MIRRORED_CORNER), frays=frays, bites=bites)

    def edge_length(self, edge: int) -> float:
        """Millimetres from corner to corner."""
        return self.size.height_mm if edge % 2 else self.size.width_mm

    def vertex(self, corner: int) -> np.ndarray:
        """Where the two edges would meet, (2,) mm."""
        width, height = self.size.width_mm, self.size.height_mm
        return np.array([(0.0, 0.0), (width, 0), (width, height), (0, height)][corner])

    def corner_points(self, corner: int, along_mm: np.ndarray) -> np.ndarray:
        """(N, 2) points of the rim at (N,) distances along it from the corner's middle, clockwise positive."""
        radius = self.radii_mm[corner]
        half_arc = radius * np.pi / 4
        turned = np.clip(along_mm / max(radius, 1e-9) + np.pi / 4, 0, np.pi / 2)
        back = radius * (1 - np.sin(turned)) + np.maximum(-along_mm - half_arc, 0)
        ahead = radius * (1 - np.cos(turned)) + np.maximum(along_mm - half_arc, 0)
        points = self.vertex(corner) + back[:, None] * BACKWARD[corner] + ahead[:, None] * FORWARD[corner]
        fray = self.frays[corner]
        return points if fray is None else self.inward(corner, points, fray.at(along_mm))

    def inward(self, corner: int, points: np.ndarray, depth_mm: np.ndarray) -> np.ndarray:
        """Points near a corner moved into the card, all towards one point, so that strips never cross themselves."""
        heart = self.vertex(corner) + (self.radii_mm[corner] + HEART_MM) * (BACKWARD[corner] + FORWARD[corner])
        towards = heart - points
        return points + towards * (depth_mm / np.linalg.norm(towards, axis=1))[:, None]

    def corner_strip(self, corner: int, along_mm: np.ndarray, depth_mm: np.ndarray) -> np.ndarray:
        """Outline, (2 N, 2) mm, of the strip between the rim and those depths into the card."""
        outer = self.corner_points(corner, along_mm)
        return np.concatenate([outer, self.inward(corner, outer, depth_mm)[::-1]])

    def edge_points(self, edge: int, along_mm: np.ndarray, depth_mm: np.ndarray) -> np.ndarray:
        """(N, 2) points at distances along an edge, clockwise from its first corner, and depths into the card."""
        ahead = FORWARD[edge]
        into = np.array([-ahead[1], ahead[0]])  # a quarter turn clockwise, y being down
        return self.vertex(edge) + along_mm[:, None] * ahead + depth_mm[:, None] * into

    def edge_strip(self, edge: int, along_mm: np.ndarray, depth_mm: np.ndarray) -> np.ndarray:
        """Outline, (2 N, 2) mm, of the strip between an edge, as far as it still stands, and depths beyond that."""
        gone = np.zeros_like(along_mm)
        for bitten, bite in self.bites:
            if bitten == edge:
                gone = np.maximum(gone, bite.at(along_mm))
        outer = self.edge_points(edge, along_mm, gone)
        return np.concatenate([outer, self.edge_points(edge, along_mm, gone + depth_mm)[::-1]])

    def corner_outside(self, corner: int) -> np.ndarray:
        """Outline of what a corner lost to its radius and to fraying: the rim and the vertex, (N + 1, 2) mm."""
        fray = self.frays[corner]
        reach = self.radii_mm[corner] * np.pi / 4 + 0.5
        if fray is not None:
            reach = max(reach, float(np.abs(fray.along_mm).max()) + 0.1)
        places = np.linspace(-reach, reach, 96)
        return np.concatenate([self.corner_points(corner, places), self.vertex(corner)[None]])


def along(start_mm: float, end_mm: float) -> np.ndarray:
    """Places about 0.12 mm apart, both ends included."""
    return np.linspace(start_mm, end_mm, max(3, int((end_mm - start_mm) / STEP_MM) + 1))


def area_mm2(outline: np.ndarray) -> float:
    """Area of a simple polygon, (N, 2), by the shoelace formula."""
    x, y = outline[:, 0], outline[:, 1]
    return 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))


def length_mm(line: np.ndarray) -> float:
    """Length of a polyline, (N, 2)."""
    return float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())


def mirrored_points(points: np.ndarray, size: CardSize) -> np.ndarray:
    """(N, 2) points of one side as the other side has them."""
    return np.column_stack([size.width_mm - points[:, 0], points[:, 1]])
