"""Measured sides with known wear, and real sides with their grade: `python -m tools.findings.make_dataset --work DIR`.

One file a side; a run that was stopped continues where it was. Sides of the half `fit` are for fitting, of `judge` for
judging only: simulated cards by seed, renders and real cards by a hash of their name. Sources:

simulated  cards of all grades in every capture; `window` is a slab cropped to its window
mint       the same without any wear
render     clean digital fronts, without wear and with synthetic wear, in every capture
worn_real  real cards of grades 9 and 10 of the half `fit`, with synthetic wear added
real       real graded pairs as they are

Every picture is a JPEG in which the card is found as `grade` finds it. A side whose card is found off by 2 mm is left
out: that is an error of the finder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import cv2
import numpy as np
import typer
from numpy.random import Generator, default_rng

from benchmarks.harness import REAL_PICTURES
from engine.cards.pairs import read_manifest
from engine.detection.read_and_find import read_and_find
from engine.errors import BadInput
from engine.image.card_coordinates import millimeters_to_picture
from engine.image.read import read_picture
from engine.image.rectify import TRADING, rectify
from engine.measure.side.measure_side import measure_detected_side
from engine.simulate.capture.capture import CaptureStyle, SimulatedPicture, draw_style, take_picture
from engine.simulate.capture.slab import SlabLabel
from engine.simulate.cards import CardSimulator, SimulationConfig, photograph_side
from engine.simulate.print.art import draw_design
from engine.simulate.print.backs import draw_back
from engine.simulate.print.games import GAMES, Grid
from engine.simulate.wear.amounts import SIDE_NAMES, draw_attribute_grades
from engine.simulate.wear.centering import place_borderless_print, place_print
from engine.simulate.wear.paint import paint_wear, uncovered_patches
from engine.simulate.wear.rim import CardRim
from engine.simulate.wear.truth import SideName, SideWear
from engine.simulate.wear.wear import WornSide, summarize_defects, wear_for_grades
from engine.simulate.worn_copies import make_worn_copy
from tools.findings.examples import Half, MeasuredExample, write_example

Capture = Literal["scan", "photo", "slab", "sleeve", "window"]
CAPTURES: tuple[Capture, ...] = ("scan", "photo", "slab", "sleeve", "window")
SEEDS: dict[Half, int] = {"fit": 419_001, "judge": 419_002}
CARD_HEIGHT_PX = 1050
CORNER_MM = 3.0
STOCK_RGB = (236, 234, 228)
# A window's margin around the card, and its longer side, as fractions of the card's height and in pixels.
WINDOW_MARGIN = (0.002, 0.03)
WINDOW_PX = 1000
SMALL_WINDOW_PX, SMALL_WINDOW_FRACTION = (430, 900), 0.3
MAX_CORNER_OFFSET_MM = 2.0
JPEG_QUALITY = (80, 96)
GOOD_GRADE = 9


class DrawnSide(NamedTuple):
    """A side before it is measured.

    quad     true corners of the card; None if they are unknown
    example  all that is known of it but the measurements
    """

    rgb: np.ndarray
    quad: np.ndarray | None
    example: partial[MeasuredExample]


class Job(NamedTuple):
    """Sides to draw and measure, under the name that marks them as done."""

    name: str
    draw: Callable[[], Iterator[DrawnSide]]


def half_of(name: str) -> Half:
    """The half that a real card or a render belongs to, by its name."""
    return "fit" if hashlib.sha256(name.encode()).digest()[0] % 2 else "judge"


def measure(side: DrawnSide, work: Path) -> MeasuredExample | None:
    """Find and measure the card of a picture; None if it is not found, or found off its true corners."""
    path = work / "picture.jpg"
    quality = int(default_rng([*side.example.keywords["name"].encode()]).integers(*JPEG_QUALITY))
    cv2.imwrite(str(path), cv2.cvtColor(side.rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    try:
        rgb, detection = read_and_find(path)
        quad = detection.quad
        if (truth := side.quad) is not None:
            turned = (np.roll(quad, turn, axis=0) for turn in range(4))
            quad = min(turned, key=lambda corners: float(np.abs(corners - truth).max()))
            if (
                np.abs(quad - truth).max()
                > MAX_CORNER_OFFSET_MM * np.linalg.norm(truth[3] - truth[0]) / TRADING.height_mm
            ):
                return None
        return side.example(measurements=measure_detected_side(rgb, quad, detection.kind))
    except BadInput:
        return None


def cropped_to_window(random: Generator, rgb: np.ndarray, quad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A picture cropped closely around its card and reduced, as cards are shown in a slab's window, and the corners."""
    low, high = quad.min(axis=0), quad.max(axis=0)
    height, width = rgb.shape[:2]
    margins = random.uniform(*WINDOW_MARGIN, 4) * (high[1] - low[1])
    left, top = np.maximum(np.floor(low - margins[:2]), 0).astype(int)
    right, bottom = np.minimum(np.ceil(high + margins[2:]), (width, height)).astype(int)
    crop = rgb[top:bottom, left:right]
    longest = WINDOW_PX
    if random.random() < SMALL_WINDOW_FRACTION:
        longest = int(random.integers(*SMALL_WINDOW_PX))
    scale = min(1.0, longest / max(crop.shape[:2]))
    size = (round(crop.shape[1] * scale), round(crop.shape[0] * scale))
    reduced = cv2.resize(crop, size, interpolation=cv2.INTER_AREA)
    factor = np.array(size) / (crop.shape[1], crop.shape[0])
    return reduced, (quad - (left, top) + 0.5) * factor - 0.5


def style_of(random: Generator, capture: Capture) -> CaptureStyle:
    """Settings of the simulator's capture; a window is cropped out of a slab."""
    return draw_style(random, "slab" if capture == "window" else capture)


def captured(random: Generator, shot: SimulatedPicture, capture: Capture, **facts: Any) -> DrawnSide:
    """A simulated picture, cropped if the capture is a window, with the facts of its MeasuredExample."""
    rgb, quad = cropped_to_window(random, shot.rgb, shot.quad) if capture == "window" else (shot.rgb, shot.quad)
    return DrawnSide(rgb, quad, partial(MeasuredExample, **facts))


def simulated(name: str, half: Half, index: int, capture: Capture) -> Iterator[DrawnSide]:
    """Both sides of a simulated card."""
    kind = "slab" if capture == "window" else capture
    config = SimulationConfig(seed=SEEDS[half], mix="uniform", kinds=((kind, 1.0),), height=CARD_HEIGHT_PX)
    card = CardSimulator(config).card(index * 3)
    random = default_rng([SEEDS[half], index, 1])
    for side, truth, shot in (("front", card.truth.front, card.front), ("back", card.truth.back, card.back)):
        yield captured(
            random,
            shot,
            capture,
            name=f"{name}-{side}",
            source="simulated",
            half=half,
            side=side,
            card=f"simulated-{half}-{index}",
            grade=card.truth.grade,
            truth=truth,
            is_foil=card.truth.layout == "foil" and side == "front",
        )


def mint(name: str, half: Half, index: int, capture: Capture) -> Iterator[DrawnSide]:
    """Both sides of a simulated card without wear; the games in turn."""
    random = default_rng([SEEDS[half], index, 2])
    game = GAMES[(index // len(CAPTURES)) % len(GAMES)]
    grid = Grid(game.size, CARD_HEIGHT_PX)
    style = style_of(random, capture)
    front, back = draw_design(random, game, grid, ()), draw_back(game, grid)
    for side, design in (("front", front), ("back", back)):
        placement = (
            place_borderless_print(random)
            if design.frame_size is None
            else place_print(random, (52.0, 51.0), design.frame_size, game.size)
        )
        worn = WornSide(summarize_defects([], game.size), CardRim(game.size, (game.corner_mm,) * 4), placement)
        label = SlabLabel(10, front.title, game.name.upper(), "#1") if side == "front" else None
        yield captured(
            random,
            photograph_side(random, design, side, worn, style, number=1, label=label),
            capture,
            name=f"{name}-{side}",
            source="mint",
            half=half,
            side=side,
            card=f"mint-{half}-{index}",
            grade=10,
            truth=worn.wear,
            is_foil=game.layout == "foil" and side == "front",
        )


def card_jobs(draw: Callable[[str, Half, int, Capture], Iterator[DrawnSide]], half: Half) -> Iterator[Job]:
    """Simulated cards, the captures in turn."""
    for index, capture in enumerate(cycle(CAPTURES)):
        name = f"{draw.__name__}-{half}-{index:04d}"
        yield Job(name, partial(draw, name, half, index, capture))


def render_jobs() -> Iterator[Job]:
    """Each render in every capture, without wear and worn in turn."""
    paths = sorted((REAL_PICTURES / "renders").glob("*.*"))
    for index in range(len(CAPTURES) * 2):
        for number, path in enumerate(paths):
            capture = CAPTURES[(index + number) % len(CAPTURES)]
            is_worn = (index + number // len(CAPTURES)) % 2 == 1
            yield Job(f"render-{path.stem}-{index}", partial(render, path, index, capture, is_worn=is_worn))


def render(path: Path, index: int, capture: Capture, *, is_worn: bool) -> Iterator[DrawnSide]:
    """A render as a card's front, photographed; worn to a random grade if asked."""
    random = default_rng([int.from_bytes(hashlib.sha256(path.name.encode()).digest()[:4], "big"), index])
    grid = Grid(TRADING, CARD_HEIGHT_PX)
    face = cv2.resize(read_picture(path), (grid.width, grid.height), interpolation=cv2.INTER_CUBIC)
    grade = int(random.integers(1, 10)) if is_worn else 10
    worn = WornSide(summarize_defects([], TRADING), CardRim(TRADING, (CORNER_MM,) * 4), place_borderless_print(random))
    if is_worn:
        grades = draw_attribute_grades(random, grade, {10})
        worn, _ = wear_for_grades(random, size=TRADING, corner_mm=CORNER_MM, grades=grades)
        paint_wear(random, face, worn.wear, grid, stock=STOCK_RGB, side="front")
    style = style_of(random, capture)
    label = SlabLabel(grade, "CARD", "RENDER", "#1")
    uncovered = uncovered_patches(worn.rim, grid)
    shot = take_picture(random, face, style.kind, grid, uncovered=uncovered, label=label, style=style)
    yield captured(
        random,
        shot,
        capture,
        name=f"render-{path.stem}-{index}",
        source="render",
        half=half_of(path.name),
        side="front",
        card=path.stem,
        grade=grade,
        truth=worn.wear,
    )


def real_jobs(*, worn: bool) -> Iterator[Job]:
    """Real pairs, in an order that mixes the grades; those of the half `fit` with grades 9 and 10 if `worn`."""
    manifest = REAL_PICTURES / "pokemon_pairs" / "labels.csv"
    pairs = sorted(read_manifest(manifest).pairs, key=lambda pair: hashlib.sha256(pair.card_id.encode()).digest())
    for pair in pairs:
        grade = float(pair.grade or 0)
        if worn and (grade < GOOD_GRADE or half_of(pair.card_id) == "judge"):
            continue
        sides: tuple[tuple[SideName, Path | None], ...] = (("front", pair.front), ("back", pair.back))
        for side, path in sides:
            if path is not None:
                name = f"{'worn' if worn else 'real'}-{pair.card_id}-{side}"
                draw = worn_real if worn else real
                yield Job(name, partial(draw, name, pair.card_id, grade, side, path))


def real(name: str, card: str, grade: float, side: SideName, path: Path) -> Iterator[DrawnSide]:
    """A real side as it is."""
    facts = {"name": name, "source": "real", "half": half_of(card), "side": side, "card": card, "grade": grade}
    yield DrawnSide(read_picture(path), None, partial(MeasuredExample, **facts))


def worn_real(name: str, card: str, grade: float, side: SideName, path: Path) -> Iterator[DrawnSide]:
    """A real side with synthetic wear."""
    for original in real(name, card, grade, side, path):
        try:
            _, detection = read_and_find(path)
        except BadInput:
            return
        random = default_rng([SEEDS["fit"], *name.encode()])
        grade = int(random.integers(1, 9))
        rgb, truth = worn_in_place(random, original.rgb, detection.quad, grade, side)
        yield DrawnSide(rgb, detection.quad, partial(original.example, source="worn_real", grade=grade, truth=truth))


def worn_in_place(
    random: Generator, rgb: np.ndarray, quad: np.ndarray, grade: int, side: SideName
) -> tuple[np.ndarray, SideWear]:
    """Add synthetic wear to a card within its picture: what the wear changes is added to the picture's pixels."""
    height = max(round(float(np.linalg.norm(quad[3] - quad[0]))), 220)
    grid = Grid(TRADING, height)
    face = rectify(rgb, quad, size=(grid.height, grid.width))
    pictures = {name: face if name == side else None for name in SIDE_NAMES}
    copy = make_worn_copy(pictures["front"], pictures["back"], grade, random)
    worn, truth = (copy.front, copy.front_wear) if side == "front" else (copy.back, copy.back_wear)
    assert worn is not None
    to_picture = millimeters_to_picture(quad, TRADING) @ np.diag([*(1 / grid.scale), 1.0])
    to_picture = to_picture @ np.array([(1, 0, 0.5), (0, 1, 0.5), (0, 0, 1.0)])
    difference = worn.astype(np.float32) - face.astype(np.float32)
    moved = cv2.warpPerspective(difference, to_picture, rgb.shape[1::-1], flags=cv2.INTER_LINEAR)
    return np.clip(rgb + moved, 0, 255).round().astype(np.uint8), truth


def jobs() -> Iterator[Job]:
    """All jobs, the sources interleaved, so that a run that is stopped leaves a balanced dataset."""
    real_sides, worn_sides, renders = real_jobs(worn=False), real_jobs(worn=True), render_jobs()
    fit, judge = card_jobs(simulated, "fit"), card_jobs(simulated, "judge")
    mint_fit, mint_judge = card_jobs(mint, "fit"), card_jobs(mint, "judge")
    first = [*[real_sides] * 8, fit, judge, worn_sides, renders, mint_judge]
    second = [*[real_sides] * 8, fit, fit, judge, worn_sides, renders, renders, mint_fit]
    for source in cycle([*first, *second]):
        yield from islice(source, 1)


def measure_sides(work: Path, jobs_to_do: Iterable[Job]) -> None:
    """Measure the sides of these jobs that were not measured before, into the folder `sides` of `work`."""
    cv2.setNumThreads(1)
    folder = work / "sides"
    folder.mkdir(parents=True, exist_ok=True)
    for job in jobs_to_do:
        done = folder / f"{job.name}.done"
        if not done.exists():
            for side in job.draw():
                if example := measure(side, work):
                    write_example(folder / f"{example.name}.pickle", example)
            done.touch()


def main(
    work: Annotated[Path, typer.Option(help="Folder of the dataset.")],
    job_count: Annotated[int, typer.Option("--jobs", help="Number of jobs.")] = 1600,
) -> None:
    """Measure sides until the given number of jobs is done."""
    measure_sides(work, islice(jobs(), job_count))


if __name__ == "__main__":
    typer.run(main)
