"""Simulated captures with their corners, written to disk once for the finder's two networks to learn from."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator

from engine.image.read import read_picture
from engine.simulate.cards import Recipe, Studio
from tools.finder.capture_art import colour
from tools.finder.captures import Capture, Kind, Status, scenery, simulate_capture, whole_card

SMALL, LARGE = 200, 480
JPEG_QUALITY = 95
SIMULATED_KINDS = (("scan", 0.25), ("photo", 0.35), ("slab", 0.3), ("sleeve", 0.1))
SIMULATED_CARD_PX = 420


@dataclass(frozen=True)
class Pictures:
    """Captures in one file.

    jpegs   uint8, every picture's JPEG one after the other; picture i ends at ends[i]
    quads   (M, 4, 2) float32, every card's corners; picture i's end at quad_ends[i]
    kinds, statuses   (N,) text
    upward  (N,) bool, whether the print shows which way is up
    """

    jpegs: np.ndarray
    ends: np.ndarray
    quads: np.ndarray
    quad_ends: np.ndarray
    kinds: np.ndarray
    statuses: np.ndarray
    upward: np.ndarray

    @classmethod
    def of(cls, captures: list[tuple[np.ndarray, Capture]]) -> Pictures:
        """From captures whose pictures are JPEG bytes already."""
        quads = [np.asarray(capture.quads, np.float32).reshape(-1, 4, 2) for _, capture in captures]
        return cls(
            np.concatenate([jpeg for jpeg, _ in captures]),
            np.cumsum([len(jpeg) for jpeg, _ in captures]),
            np.concatenate(quads),
            np.cumsum([len(quad) for quad in quads]),
            np.array([capture.kind for _, capture in captures]),
            np.array([capture.status for _, capture in captures]),
            np.array([capture.upward for _, capture in captures]),
        )

    @classmethod
    def read(cls, path: Path) -> Pictures:
        """From a file that `main` wrote."""
        with np.load(path) as columns:
            return cls(**columns)

    def __len__(self) -> int:
        return len(self.ends)

    def picture(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        return np.asarray(cv2.imdecode(_piece(self.jpegs, self.ends, index), cv2.IMREAD_COLOR_RGB))

    def cards(self, index: int) -> np.ndarray:
        """(cards, 4, 2) float32 corners in that picture."""
        return _piece(self.quads, self.quad_ends, index)


def _piece(column: np.ndarray, ends: np.ndarray, index: int) -> np.ndarray:
    return column[ends[index - 1] if index else 0 : ends[index]]


def draw(random: Generator, sources: list[np.ndarray], faces: list[np.ndarray]) -> Capture:
    """One picture of the mix that the networks learn from: slabs most, and one in five to be refused."""
    long_side = SMALL if random.random() < 0.35 else LARGE
    share = 0.75 if random.random() < 0.5 else random.uniform(0.5, 1.0)
    height, width = long_side, round(long_side * share)
    if random.random() < 0.15:
        height, width = width, height
    lot = random.random()
    if lot < 0.05:
        return whole_card(random, sources, faces, long_side)
    if lot < 0.09:
        return scenery(random, sources, height, width)
    kind: Kind = "slab" if lot < 0.45 else "photo" if lot < 0.78 else "scan"
    status: Status = "one"
    other = random.random()
    if kind != "slab" and other < 0.28:
        status = "many" if other < 0.12 else "none" if other < 0.17 else "cut"
    return simulate_capture(random, height=height, width=width, kind=kind, status=status, sources=sources, faces=faces)


def on_plain_ground(random: Generator, sources: list[np.ndarray], faces: list[np.ndarray]) -> Capture:
    """A card straight in the middle of one even colour, nothing else: what a person cuts out or draws for a test."""
    card = whole_card(random, sources, faces, int(random.integers(120, 440)))
    around = random.uniform(0.02, 0.35) * card.rgb.shape[0] * random.choice([np.ones(4), random.uniform(0.1, 1.0, 4)])
    top, bottom, left, right = (int(margin) + 1 for margin in around)
    ink = colour(random).tolist()
    rgb = cv2.copyMakeBorder(card.rgb, top, bottom, left, right, cv2.BORDER_CONSTANT, value=ink)
    if random.random() < 0.4:
        rgb = np.clip(rgb + random.normal(0, random.uniform(0.5, 3), rgb.shape), 0, 255).astype(np.uint8)
    return Capture(rgb, "scan", "one", [card.quads[0] + (left, top)], card.upward)


def simulated(random: Generator, seed: int) -> Iterator[Capture]:
    """Both sides of one simulated card after another, at the sizes that are learned from."""
    studio = Studio(Recipe(seed, mix="uniform", kinds=SIMULATED_KINDS, height=SIMULATED_CARD_PX))
    for index in count():
        card = studio.card(index)
        for side in (card.front, card.back):
            long_side = SMALL if random.random() < 0.35 else LARGE
            scale = long_side / max(side.rgb.shape[:2])
            rgb = cv2.resize(side.rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            # A sleeve may lie on a table or in a scanner; which, the picture's own light says.
            kind: Kind = "photo" if side.kind == "sleeve" else side.kind
            yield Capture(rgb, kind, "one", [(side.quad + 0.5) * scale - 0.5], upward=True)


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
    """Marked corners {name: {kind, quad}} with their pictures, as they are."""
    marks = json.loads(path.read_text(encoding="utf-8")).items()
    return [(read_picture(pictures / name), np.array(mark["quad"]), mark["kind"]) for name, mark in marks]


def read_folder(folder: Path, height: int) -> list[np.ndarray]:
    """All pictures under a folder, RGB, scaled to a height."""
    pictures = []
    for path in sorted(folder.rglob("*")):
        bgr = cv2.imread(str(path)) if path.suffix.lower() in {".png", ".jpg", ".jpeg"} else None
        if bgr is not None and min(bgr.shape[:2]) > 30:
            width = max(8, round(bgr.shape[1] * height / bgr.shape[0]))
            pictures.append(cv2.cvtColor(cv2.resize(bgr, (width, height), interpolation=3), cv2.COLOR_BGR2RGB))
    return pictures


def _packed(capture: Capture) -> tuple[np.ndarray, Capture]:
    bgr = cv2.cvtColor(capture.rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1], capture


def main() -> None:
    """Draw the pictures: python -m tools.finder.make_dataset --count 20000 --seed 1 --out FILE.npz."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sources", type=Path, nargs="*", default=[], help="folders of pictures for art and grounds")
    parser.add_argument("--faces", type=Path, nargs="*", default=[], help="folders of upright card fronts")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--simulated", action="store_true", help="simulated cards instead of drawn clutter")
    parser.add_argument("--plain", action="store_true", help="cards on even ground instead of drawn clutter")
    parser.add_argument("--marked", type=Path, help="a JSON file of corners marked in real pictures, used alone")
    parser.add_argument("--pictures", type=Path, help="the folder those pictures lie in")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    random = np.random.default_rng(chosen.seed)
    sources = [picture for folder in chosen.sources for picture in read_folder(folder, 400)]
    faces = [picture for folder in chosen.faces for picture in read_folder(folder, 460)]
    if chosen.marked:
        marked = read_marked(chosen.marked, chosen.pictures)
        captures = (jittered(random, *marked[index % len(marked)]) for index in count())
    elif chosen.plain:
        captures = (on_plain_ground(random, sources, faces) for _ in count())
    elif chosen.simulated:
        captures = simulated(random, chosen.seed)
    else:
        captures = (draw(random, sources, faces) for _ in count())
    np.savez(chosen.out, **vars(Pictures.of([_packed(capture) for capture in islice(captures, chosen.count)])))


if __name__ == "__main__":
    main()
