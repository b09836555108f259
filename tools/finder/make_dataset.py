"""Dataset of simulated captures with their corners, for training the two detection networks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from numpy.random import Generator

from engine.image.read import read_picture
from engine.image.rectify import TRADING
from engine.simulate.capture.capture import empty_holder
from engine.simulate.capture.slab import SLAB_SHAPES
from engine.simulate.cards import CardSimulator, SimulationConfig
from engine.simulate.print.games import Grid
from engine.simulate.wear.truth import CaptureKind
from tools.finder.capture_art import random_color
from tools.finder.captures import (
    Capture,
    CardStatus,
    FinderCaptureKind,
    cropped_card,
    picture_without_card,
    simulate_capture,
)

SMALL_SIDE_PX, LARGE_SIDE_PX = 200, 480
JPEG_QUALITY = 95
SIMULATED_KINDS: tuple[tuple[CaptureKind, float], ...] = (
    ("scan", 0.2),
    ("photo", 0.3),
    ("slab", 0.14),
    ("slab_bgs", 0.02),
    ("slab_cgc", 0.02),
    ("slab_sgc", 0.02),
    ("sleeve", 0.06),
    ("toploader", 0.06),
    ("one_touch", 0.06),
    ("semi_rigid", 0.06),
    ("binder", 0.06),
)
SIMULATED_CARD_PX = 420
EMPTY_HOLDERS: tuple[CaptureKind, ...] = ("slab", "sleeve", "toploader", "one_touch", "semi_rigid")
EMPTY_FRACTION = 0.04


@dataclass(frozen=True)
class CaptureSet:
    """Captures of one .npz file; the field names are its keys.

    jpegs   uint8, concatenated JPEGs; picture i ends at ends[i]
    quads   (M, 4, 2) float32, corners of all cards; those of picture i end at quad_ends[i]
    kinds, statuses   (N,) text
    upward  (N,) bool, True if the print shows which way is up
    """

    jpegs: np.ndarray
    ends: np.ndarray
    quads: np.ndarray
    quad_ends: np.ndarray
    kinds: np.ndarray
    statuses: np.ndarray
    upward: np.ndarray

    @classmethod
    def from_captures(cls, captures: list[tuple[np.ndarray, Capture]]) -> CaptureSet:
        """Build from captures with their pictures encoded as JPEG."""
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
    def read(cls, path: Path) -> CaptureSet:
        """Read a file written by `main`."""
        with np.load(path) as columns:
            return cls(**columns)

    def __len__(self) -> int:
        return len(self.ends)

    def picture(self, index: int) -> np.ndarray:
        """Decode a picture, (H, W, 3) uint8 RGB."""
        return np.asarray(cv2.imdecode(_slice_of(self.jpegs, self.ends, index), cv2.IMREAD_COLOR_RGB))

    def cards(self, index: int) -> np.ndarray:
        """Return the corners in a picture, (cards, 4, 2) float32."""
        return _slice_of(self.quads, self.quad_ends, index)


def _slice_of(column: np.ndarray, ends: np.ndarray, index: int) -> np.ndarray:
    return column[ends[index - 1] if index else 0 : ends[index]]


def draw_capture(random: Generator, sources: list[np.ndarray], faces: list[np.ndarray]) -> Capture:
    """Draw one picture of the training mix: mostly slabs, and one in five that must be refused."""
    long_side = SMALL_SIDE_PX if random.random() < 0.35 else LARGE_SIDE_PX
    aspect = 0.75 if random.random() < 0.5 else random.uniform(0.5, 1.0)
    height, width = long_side, round(long_side * aspect)
    if random.random() < 0.15:
        height, width = width, height
    choice = random.random()
    if choice < 0.05:
        return cropped_card(random, sources, faces, long_side)
    if choice < 0.09:
        return picture_without_card(random, sources, height, width)
    kind: FinderCaptureKind = "slab" if choice < 0.45 else "photo" if choice < 0.78 else "scan"
    status: CardStatus = "one"
    status_choice = random.random()
    if kind != "slab" and status_choice < 0.28:
        status = "many" if status_choice < 0.12 else "none" if status_choice < 0.17 else "cut"
    return simulate_capture(random, height=height, width=width, kind=kind, status=status, sources=sources, faces=faces)


def card_on_plain_background(random: Generator, sources: list[np.ndarray], faces: list[np.ndarray]) -> Capture:
    """Draw an upright card on a uniform background, as in pictures that people crop or draw for a test."""
    card = cropped_card(random, sources, faces, int(random.integers(120, 440)))
    margins = random.uniform(0.02, 0.35) * card.rgb.shape[0] * random.choice([np.ones(4), random.uniform(0.1, 1.0, 4)])
    top, bottom, left, right = (int(margin) + 1 for margin in margins)
    ink = random_color(random).tolist()
    rgb = cv2.copyMakeBorder(card.rgb, top, bottom, left, right, cv2.BORDER_CONSTANT, value=ink)
    if random.random() < 0.4:
        rgb = np.clip(rgb + random.normal(0, random.uniform(0.5, 3), rgb.shape), 0, 255).astype(np.uint8)
    return Capture(rgb, "scan", "one", [card.quads[0] + (left, top)], card.upward)


def simulated_captures(random: Generator, seed: int) -> Iterator[Capture]:
    """Yield both sides of simulated cards, and some empty holders, at the sizes used for training."""
    simulator = CardSimulator(SimulationConfig(seed, mix="uniform", kinds=SIMULATED_KINDS, height=SIMULATED_CARD_PX))
    for index in count():
        if random.random() < EMPTY_FRACTION:
            holder = EMPTY_HOLDERS[random.integers(len(EMPTY_HOLDERS))]
            rgb = empty_holder(random, holder, Grid(TRADING, SIMULATED_CARD_PX))
            scale = LARGE_SIDE_PX / max(rgb.shape[:2])
            yield Capture(cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), "photo", "none")
        card = simulator.card(index)
        for side in (card.front, card.back):
            long_side = SMALL_SIDE_PX if random.random() < 0.35 else LARGE_SIDE_PX
            scale = long_side / max(side.rgb.shape[:2])
            rgb = cv2.resize(side.rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            # Cards in clear holders are photographed or scanned; label them as photos.
            kind: FinderCaptureKind = "scan" if side.kind == "scan" else "slab" if side.kind in SLAB_SHAPES else "photo"
            yield Capture(rgb, kind, "one", [(side.quad + 0.5) * scale - 0.5], upward=True)


def jitter(random: Generator, rgb: np.ndarray, quad: np.ndarray, kind: FinderCaptureKind) -> Capture:
    """Shift, scale, rotate and tilt a marked picture a little, together with its corners."""
    height, width = rgb.shape[:2]
    for _ in range(20):
        corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
        angle = np.radians(random.choice([random.normal(0, 3), random.normal(0, 25)], p=[0.85, 0.15]))
        rotation = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
        middle = corners.mean(axis=0)
        target = (corners - middle) @ rotation * random.uniform(0.75, 1.2) + middle
        target += random.normal(0, 0.03, 2) * height + random.normal(0, 0.015, (4, 2)) * height
        homography = cv2.getPerspectiveTransform(corners.astype(np.float32), target.astype(np.float32))
        truth = cv2.perspectiveTransform(quad[None] + 0.5, homography)[0] - 0.5
        if truth.min() > 1 and (truth.max(axis=0) < (width - 2, height - 2)).all():
            break
    else:
        return Capture(rgb, kind, "one", [quad])
    border = cv2.BORDER_REPLICATE if random.random() < 0.6 else cv2.BORDER_REFLECT_101
    warped = cv2.warpPerspective(rgb, homography, (width, height), flags=cv2.INTER_LINEAR, borderMode=border)
    return Capture(warped, kind, "one", [truth])


def read_marked_pictures(path: Path, pictures: Path) -> list[tuple[np.ndarray, np.ndarray, FinderCaptureKind]]:
    """Read marked corners {name: {kind, quad}} with their pictures."""
    marks = json.loads(path.read_text(encoding="utf-8")).items()
    return [(read_picture(pictures / name), np.array(mark["quad"]), mark["kind"]) for name, mark in marks]


def read_pictures(folder: Path, height: int) -> list[np.ndarray]:
    """Read all pictures below a folder as RGB, scaled to a height."""
    pictures = []
    for path in sorted(folder.rglob("*")):
        bgr = cv2.imread(str(path)) if path.suffix.lower() in {".png", ".jpg", ".jpeg"} else None
        if bgr is not None and min(bgr.shape[:2]) > 30:
            width = max(8, round(bgr.shape[1] * height / bgr.shape[0]))
            pictures.append(cv2.cvtColor(cv2.resize(bgr, (width, height), interpolation=3), cv2.COLOR_BGR2RGB))
    return pictures


def _encode(capture: Capture) -> tuple[np.ndarray, Capture]:
    bgr = cv2.cvtColor(capture.rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1], capture


def main(
    out: Annotated[Path, typer.Option(help="Dataset file, .npz.")],
    capture_count: Annotated[int, typer.Option("--count")] = 20000,
    seed: int = 1,
    sources: Annotated[list[Path] | None, typer.Option(help="Folder of pictures for art and backgrounds.")] = None,
    faces: Annotated[list[Path] | None, typer.Option(help="Folder of upright card fronts.")] = None,
    simulated: Annotated[bool, typer.Option("--simulated", help="Simulated cards (engine.simulate).")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Cards on a uniform background.")] = False,
    marked: Annotated[Path | None, typer.Option(help="JSON file of corners marked in real pictures.")] = None,
    pictures: Annotated[Path | None, typer.Option(help="Folder of the marked pictures.")] = None,
) -> None:
    """Make a dataset; with --marked of the marked pictures only. --sources and --faces may be repeated."""
    cv2.setNumThreads(1)
    random = np.random.default_rng(seed)
    art = [picture for folder in sources or [] for picture in read_pictures(folder, 400)]
    fronts = [picture for folder in faces or [] for picture in read_pictures(folder, 460)]
    if marked:
        if pictures is None:
            raise typer.BadParameter("--marked needs --pictures, the folder of the marked pictures")
        examples = read_marked_pictures(marked, pictures)
        captures = (jitter(random, *examples[index % len(examples)]) for index in count())
    elif plain:
        captures = (card_on_plain_background(random, art, fronts) for _ in count())
    elif simulated:
        captures = simulated_captures(random, seed)
    else:
        captures = (draw_capture(random, art, fronts) for _ in count())
    np.savez(out, **vars(CaptureSet.from_captures([_encode(capture) for capture in islice(captures, capture_count)])))


if __name__ == "__main__":
    typer.run(main)
