"""Letterboxed simulated captures with their targets, written to disk once for the outline network to learn from."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator

from benchmarks.captures import Capture, Kind, Status, scenery, simulate_capture, whole_card
from engine.image.outline import KINDS, SIDE, STATUSES, STRIDE, letterbox
from engine.image.read import read_picture

FINE = 8


@dataclass(frozen=True)
class Targets:
    """Columns of equal length; `upward` is (N, 2), zero where the print has no top, `weight` (N,) of the words."""

    boxes: np.ndarray
    covers: np.ndarray
    kinds: np.ndarray
    statuses: np.ndarray
    upwards: np.ndarray
    has_up: np.ndarray

    @classmethod
    def empty(cls, count: int) -> Targets:
        """Room for `count` pictures."""
        return cls(
            np.zeros((count, SIDE, SIDE, 4), np.uint8),
            np.zeros((count, SIDE // STRIDE, SIDE // STRIDE), np.uint8),
            np.zeros(count, np.int64),
            np.zeros(count, np.int64),
            np.zeros((count, 2), np.float32),
            np.zeros(count, bool),
        )

    def put(self, index: int, capture: Capture) -> None:
        """Write one capture's row."""
        box, scale, offset = letterbox(capture.rgb)
        quads = [(quad + 0.5) * scale + offset for quad in capture.quads]
        self.boxes[index] = box
        self.covers[index] = cover_of(quads)
        self.kinds[index] = KINDS.index(capture.kind)
        self.statuses[index] = STATUSES.index(capture.status)
        self.has_up[index] = capture.upward
        if quads:
            up = quads[0][:2].mean(axis=0) - quads[0][2:].mean(axis=0)
            self.upwards[index] = up / np.linalg.norm(up)


def cover_of(quads: list[np.ndarray]) -> np.ndarray:
    """Share of each cell that lies in any quad, (SIDE / 2, SIDE / 2) uint8; quads in pixels from the box's corner."""
    fine = np.zeros((SIDE // STRIDE * FINE,) * 2, np.uint8)
    for quad in quads:
        at = quad / STRIDE * FINE - 0.5
        cv2.fillConvexPoly(fine, np.clip(at * 16, -1e6, 1e6).round().astype(np.int32), 255, cv2.LINE_8, 4)
    return cv2.resize(fine, (SIDE // STRIDE,) * 2, interpolation=cv2.INTER_AREA)


def draw(random: Generator, sources: list[np.ndarray], faces: list[np.ndarray]) -> Capture:
    """One picture of the mix that the network learns from: slabs most, and one in five to be refused."""
    height, width = (200, 150) if random.random() < 0.45 else (200, int(random.integers(100, 201)))
    if random.random() < 0.15:
        height, width = width, height
    lot = random.random()
    if lot < 0.05:
        return whole_card(random, sources, faces, 200)
    if lot < 0.09:
        return scenery(random, sources, height, width)
    kind: Kind = "slab" if lot < 0.52 else "photo" if lot < 0.82 else "scan"
    status: Status = "one"
    other = random.random()
    if kind != "slab" and other < 0.3:
        status = "many" if other < 0.14 else "none" if other < 0.19 else "cut"
    return simulate_capture(random, height=height, width=width, kind=kind, status=status, sources=sources, faces=faces)


def jittered(random: Generator, rgb: np.ndarray, quad: np.ndarray, kind: Kind) -> Capture:
    """A marked picture moved, scaled, turned and tilted a little, its corners with it."""
    height, width = rgb.shape[:2]
    for _ in range(20):
        corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
        turn = np.radians(random.choice([random.normal(0, 3), random.normal(0, 25)], p=[0.85, 0.15]))
        turning = np.array([(np.cos(turn), -np.sin(turn)), (np.sin(turn), np.cos(turn))])
        middle = corners.mean(axis=0)
        moved = (corners - middle) @ turning * random.uniform(0.75, 1.2) + middle
        moved += random.normal(0, 0.03, 2) * height + random.normal(0, 0.015, (4, 2)) * height
        onto = cv2.getPerspectiveTransform(corners.astype(np.float32), moved.astype(np.float32))
        truth = cv2.perspectiveTransform(quad[None] + 0.5, onto)[0] - 0.5
        if truth.min() > 1 and (truth.max(axis=0) < (width - 2, height - 2)).all():
            break
    else:
        return Capture(rgb, kind, "one", [quad])
    edge = cv2.BORDER_REPLICATE if random.random() < 0.6 else cv2.BORDER_REFLECT_101
    seen = cv2.warpPerspective(rgb, onto, (width, height), flags=cv2.INTER_LINEAR, borderMode=edge)
    return Capture(seen, kind, "one", [truth])


def read_marked(path: Path, pictures: Path) -> list[tuple[np.ndarray, np.ndarray, Kind]]:
    """Marked corners {name: {kind, quad}} with their pictures, scaled to 200 pixels high."""
    marked = []
    for name, mark in json.loads(path.read_text(encoding="utf-8")).items():
        rgb = read_picture(pictures / name)
        scale = 200 / rgb.shape[0]
        small = cv2.resize(rgb, (round(rgb.shape[1] * scale), 200), interpolation=cv2.INTER_AREA)
        marked.append((small, (np.array(mark["quad"]) + 0.5) * scale - 0.5, mark["kind"]))
    return marked


def read_folder(folder: Path, height: int) -> list[np.ndarray]:
    """All pictures under a folder, RGB, scaled to a height."""
    pictures = []
    for path in sorted(folder.rglob("*")):
        bgr = cv2.imread(str(path)) if path.suffix.lower() in {".png", ".jpg", ".jpeg"} else None
        if bgr is not None and min(bgr.shape[:2]) > 30:
            width = max(8, round(bgr.shape[1] * height / bgr.shape[0]))
            pictures.append(cv2.cvtColor(cv2.resize(bgr, (width, height), interpolation=3), cv2.COLOR_BGR2RGB))
    return pictures


def main() -> None:
    """Draw the pictures: python -m benchmarks.outline_pictures --count 20000 --seed 1 --out FILE.npz."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sources", type=Path, nargs="*", default=[], help="folders of pictures for art and grounds")
    parser.add_argument("--faces", type=Path, nargs="*", default=[], help="folders of upright card fronts")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--marked", type=Path, help="a JSON file of corners marked in real pictures, used alone")
    parser.add_argument("--pictures", type=Path, help="the folder those pictures lie in")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    random = np.random.default_rng(chosen.seed)
    sources = [picture for folder in chosen.sources for picture in read_folder(folder, 400)]
    faces = [picture for folder in chosen.faces for picture in read_folder(folder, 460)]
    targets = Targets.empty(chosen.count)
    marked = read_marked(chosen.marked, chosen.pictures) if chosen.marked else []
    for index in range(chosen.count):
        if marked:
            targets.put(index, jittered(random, *marked[index % len(marked)]))
        else:
            targets.put(index, draw(random, sources, faces))
    np.savez(chosen.out, **vars(targets))


if __name__ == "__main__":
    main()
