"""Leakage test: predictions on real slabs before and after the label, which shows the grade, is painted over.

With the same quad no prediction may change, since the label is outside the network's input. With a new detection the
quad may move by a fraction of a pixel; fewer than one grade in a hundred may change.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.harness import REAL_PICTURES, NothingMeasured, Row
from engine.cards.pairs import CardPair
from engine.config import build
from engine.data.inputs import model_input
from engine.detection.find_card import find_card
from engine.events import EpochDone
from engine.experiments.run_folder import MODEL
from engine.image.detection import NoCard
from engine.image.quads import longer_side
from engine.image.read import read_picture
from engine.image.rectify import card_canvas
from engine.inference.load_model import LoadedModel, load_model
from engine.inference.predict import predict
from engine.training.loop import train
from tools.finder.augment_surroundings import paint_over_label

FRONTS = REAL_PICTURES / "psa_baseball"
TRAINING_FRONTS, TEST_FRONTS = 1600, 1000
SETTINGS = {
    "front_encoder": "resnet18",
    "back_encoder": "resnet18",
    "image_size": 128,
    "phase1_epochs": 0,
    "phase2_epochs": 6,
}


def split_fronts(random: np.random.Generator) -> tuple[list[CardPair], list[Path]]:
    """Training and validation cards, and the test pictures."""
    paths = sorted(path for path in FRONTS.rglob("*") if path.is_file())
    chosen = [paths[index] for index in random.permutation(len(paths))[: TRAINING_FRONTS + TEST_FRONTS]]
    pairs = [
        CardPair(
            path.name, path, None, float(path.parent.name.removeprefix("psa")), split="val" if n < 200 else "train"
        )
        for n, path in enumerate(chosen[:TRAINING_FRONTS])
    ]
    return pairs, chosen[TRAINING_FRONTS:]


def train_model(pairs: list[CardPair], folder: Path) -> LoadedModel:
    """Train a model on fronts and print its validation QWK."""
    for event in train(build(SETTINGS), pairs, folder):
        if isinstance(event, EpochDone):
            print(f"epoch {event.epoch}: val QWK {event.metrics['qwk']:.3f}", flush=True)
    return load_model(folder / MODEL)


def predict_front(model: LoadedModel, canvas: np.ndarray) -> tuple[int, np.ndarray]:
    """Predict the grade and the ten probabilities from a front alone."""
    canvases = np.stack([canvas, np.zeros_like(canvas)])[None]
    pictures = {"canvases": torch.from_numpy(canvases), "present": torch.tensor([[True, False]])}
    prediction = predict(model, model_input(pictures, model.config, model.phase, model.device))
    return prediction.grade, prediction.probabilities


def measure() -> list[Row]:
    """Train, then predict each slab three times. Raises NothingMeasured without the pictures."""
    if not FRONTS.is_dir():
        raise NothingMeasured(f"{FRONTS} does not exist; set LOUPE_REAL_PICTURES to the folder of the pictures")
    random = np.random.default_rng(3)
    pairs, pictures = split_fronts(random)
    with tempfile.TemporaryDirectory() as folder:
        model = train_model(pairs, Path(folder))
    size = model.config.image_size
    changed_same_quad, changed_new_quad, refused, count = 0, 0, 0, 0
    shifts = []
    for path in pictures:
        rgb = read_picture(path)
        try:
            detection = find_card(rgb)
        except NoCard:
            continue
        if detection.kind != "slab":
            continue
        count += 1
        painted = paint_over_label(random, rgb, detection.quad)
        grade, probabilities = predict_front(model, card_canvas(rgb, detection.quad, size=size))
        _, painted_probabilities = predict_front(model, card_canvas(painted, detection.quad, size=size))
        changed_same_quad += not np.array_equal(painted_probabilities, probabilities)
        try:
            new_quad = find_card(painted).quad
            shifts.append(np.linalg.norm(new_quad - detection.quad, axis=1).max() / longer_side(detection.quad))
            changed_new_quad += predict_front(model, card_canvas(painted, new_quad, size=size))[0] != grade
        except NoCard:
            refused += 1
    print(f"{refused} of {count} slabs were not found after their label was painted over")
    shift = np.array(shifts)
    print(
        f"median movement of the worst corner: {np.median(shift):.2%} of the height; more than 1 % in "
        f"{(shift > 0.01).mean():.1%}, more than 5 % in {(shift > 0.05).mean():.1%}"
    )
    what = "real slabs whose answer changed when the label was painted over"
    return [
        Row(f"{what}, quad held", "all of them", changed_same_quad / count, count, at_most=0.0),
        Row(f"{what}, found anew", "all of them", changed_new_quad / count, count, at_most=0.01),
    ]
