"""Saliency maps of simulated cards with one planted visible defect: does the maximum of the map point into it?

Each card is a scan without wear but for one defect of one side, or a crease, which both sides show. The map points into
the defect if its maximum over both sides is at most one cell of the network's activations away from it. The control is
a network of the same architecture with random weights. About five minutes of one core.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.random import Generator, default_rng

from benchmarks.harness import Row, sampled_row
from engine import starter
from engine.cards.wear_limits import MAX_AMOUNTS, WearMeasure
from engine.data.inputs import Inputs
from engine.detection.find_card import find_card
from engine.image.rectify import canvas_window
from engine.inference.card_side import CardSide, measure_sides
from engine.inference.grad_cam import MapMethod, SaliencyMaps, explain_by_each_method
from engine.inference.load_model import LoadedModel, load_model
from engine.inference.predict import build_inputs
from engine.model.dual_branch import DualBranch
from engine.simulate.capture.capture import SimulatedPicture, draw_style
from engine.simulate.cards import photograph_side
from engine.simulate.print.art import draw_design
from engine.simulate.print.backs import draw_back
from engine.simulate.print.games import GAMES, Game, Grid
from engine.simulate.wear.amounts import POSITIONS, SIDE_NAMES, THROUGH_MEASURES, WearAmounts
from engine.simulate.wear.truth import Defect, SideName
from engine.simulate.wear.wear import WornSide, wear_of_amounts

CARDS, SEED, HEIGHT_PX = 64, 21, 1050
# Amounts that are seen at arm's length.
PLANTED: tuple[tuple[WearMeasure, float], ...] = (
    ("whitening_mm2", 3.0),
    ("whitening_mm", 20.0),
    ("crease_mm", 15.0),
    ("stain_mm2", 40.0),
)
EDGE_DEPTHS_MM = (0.5, 0.8)
METHODS: dict[MapMethod, str] = {"hires_cam": "HiResCAM", "grad_cam": "Grad-CAM", "layer_cam": "LayerCAM"}


@dataclass(frozen=True)
class PlantedCard:
    """A card with one defect.

    measure  the wear that was planted
    places   for each side with the defect, (H, W) bool: True where it is on the network's canvas
    """

    measure: WearMeasure
    sides: dict[SideName, CardSide]
    places: dict[SideName, np.ndarray]


def measure() -> list[Row]:
    """The share of cards whose map points into their defect: by each method, and for a network that knows nothing."""
    model = load_model(starter.MODEL, "cpu")
    torch.manual_seed(SEED)
    control = replace(model, network=DualBranch(model.config).eval())
    hits: dict[str, list[bool]] = {name: [] for name in METHODS}
    by_kind: dict[str, list[bool]] = {kind: [] for kind, _ in PLANTED}
    by_chance: list[bool] = []
    for card in planted_cards(model.config.canvas_shape, CARDS):
        inputs = build_inputs(model, card.sides["front"], card.sides["back"])
        maps, cell_px = explain_by_each_method(model, inputs), cell_size_px(model, inputs)
        for name in METHODS:
            hits[name].append(points_into(maps[name], card, cell_px))
        by_kind[card.measure].append(hits["hires_cam"][-1])
        by_chance.append(points_into(explain_by_each_method(control, inputs)["hires_cam"], card, cell_px))
    for kind, pointed in by_kind.items():
        print(f"HiResCAM points into {kind}: {sum(pointed)} of {len(pointed)}")
    rows = [
        sampled_row(f"{title} points into the defect", "a card", np.array(hits[name]), np.mean, at_least=0.7)
        for name, title in METHODS.items()
    ]
    return [*rows, sampled_row("HiResCAM of random weights does", "a card", np.array(by_chance), np.mean, at_most=0.3)]


def planted_cards(canvas_shape: tuple[int, int], count: int) -> Iterator[PlantedCard]:
    """Simulate the cards, and measure them as for every grading."""
    for index in range(count):
        random = default_rng([SEED, index])
        game, (kind, amount) = GAMES[index // len(PLANTED) % len(GAMES)], PLANTED[index % len(PLANTED)]
        grid, size_mm = Grid(game.size, HEIGHT_PX), np.array((game.size.width_mm, game.size.height_mm))
        designs = {"front": draw_design(random, game, grid, ()), "back": draw_back(game, grid)}
        worn = one_defect(random, kind, amount, game)
        style = replace(draw_style(random, "scan"), cropped=False)
        sides: dict[SideName, CardSide] = {}
        places: dict[SideName, np.ndarray] = {}
        for name, worn_side in zip(SIDE_NAMES, worn, strict=True):
            picture = photograph_side(random, designs[name], name, worn_side, style, number=1 + index, label=None)
            sides[name] = CardSide(f"{index}-{name}", picture.rgb, find_card(picture.rgb))
            if worn_side.wear.defects:
                places[name] = place_on_canvas(worn_side.wear.defects, size_mm, picture, sides[name], canvas_shape)
        measure_sides({"front": sides["front"], "back": sides["back"]})
        yield PlantedCard(kind, sides, places)


def one_defect(random: Generator, kind: WearMeasure, amount: float, game: Game) -> tuple[WornSide, WornSide]:
    """Both sides of a card with one defect, drawn until its amount is not split into several."""
    amounts = one_amount(random, kind, amount)
    while True:
        worn = wear_of_amounts(random, amounts, size=game.size, corner_mm=game.corner_mm, depths_mm=EDGE_DEPTHS_MM)
        if all(len(side.wear.defects) <= 1 for side in worn):
            return worn


def one_amount(random: Generator, kind: WearMeasure, amount: float) -> WearAmounts:
    """No wear but an amount of one kind: at one place of one side, or on both sides of the paper."""
    amounts = WearAmounts(
        {
            side: {
                measure: np.zeros(POSITIONS[attribute])
                for attribute, measures in MAX_AMOUNTS.items()
                for measure in measures
            }
            for side in SIDE_NAMES
        }
    )
    sides = SIDE_NAMES if kind in THROUGH_MEASURES else [SIDE_NAMES[int(random.integers(2))]]
    position = int(random.integers(len(amounts.get("front", kind))))
    for side in sides:
        amounts.get(side, kind)[position] = amount
    return amounts


def place_on_canvas(
    defects: list[Defect],
    size_mm: np.ndarray,
    picture: SimulatedPicture,
    side: CardSide,
    canvas_shape: tuple[int, int],
) -> np.ndarray:
    """Draw the defects on the network's canvas, (H, W) bool, where the picture truly shows them."""
    rows, columns = canvas_window(side.detection.quad, side.rgb.shape[:2], canvas_shape)
    left, top, right, bottom = (edge - 0.5 for edge in (columns.start, rows.start, columns.stop, rows.stop))
    window = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)
    card_mm = (np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * size_mm).astype(np.float32)
    to_picture = cv2.getPerspectiveTransform(card_mm, picture.quad.astype(np.float32))
    to_canvas = cv2.getPerspectiveTransform(side.detection.quad.astype(np.float32), window)
    place = np.zeros(canvas_shape, np.uint8)
    for defect in defects:
        points = cv2.perspectiveTransform(np.array([defect.points_mm], np.float32), to_canvas @ to_picture)
        outline = [np.rint(points[0]).astype(np.int32)]
        cv2.polylines(place, outline, isClosed=defect.area_mm2 > 0, color=1)
        if defect.area_mm2 > 0:
            cv2.fillPoly(place, outline, 1)
    return place.astype(bool)


def cell_size_px(model: LoadedModel, inputs: Inputs) -> float:
    """Size on the canvas of a cell of the activations that a map is made of."""
    with torch.no_grad():
        return inputs.front.shape[-2] / model.network.front.encoder(inputs.front).shape[-2]


def points_into(maps: SaliencyMaps, card: PlantedCard, cell_px: float) -> bool:
    """True if the maximum of the maps of both sides is at most one cell away from the defect."""
    by_side: dict[SideName, np.ndarray | None] = {"front": maps.front, "back": maps.back}
    given = {side: saliency for side, saliency in by_side.items() if saliency is not None and saliency.any()}
    if not given:
        return False
    side = max(given, key=lambda name: float(given[name].max()))
    if side not in card.places or not card.places[side].any():
        return False
    row, column = np.unravel_index(int(given[side].argmax()), given[side].shape)
    distance_px = cv2.distanceTransform((~card.places[side]).astype(np.uint8), cv2.DIST_L2, 5)
    return bool(distance_px[row, column] <= cell_px)
