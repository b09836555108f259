"""Does a model read the slab's label? Its answers on real slabs before and after the label is painted over.

With the quad held nothing may change at all, since the label never reaches the network. With the card found anew the
quad may move by a part of a pixel; fewer than one grade in a hundred may change.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.harness import REAL_PICTURES, Row
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
from engine.inference.loaded_model import Model, load_model
from engine.inference.predict import predict
from engine.training.loop import train
from tools.finder.augment_surroundings import label_painted

FRONTS = REAL_PICTURES / "psa_baseball"
LEARNED_FROM, JUDGED = 1600, 1000
TOLD = {
    "front_encoder": "resnet18",
    "back_encoder": "resnet18",
    "image_size": 128,
    "phase1_epochs": 0,
    "phase2_epochs": 6,
}


def split_fronts(random: np.random.Generator) -> tuple[list[CardPair], list[Path]]:
    """Cards to learn from, and the pictures of others to be judged."""
    paths = sorted(path for path in FRONTS.rglob("*") if path.is_file())
    chosen = [paths[index] for index in random.permutation(len(paths))[: LEARNED_FROM + JUDGED]]
    pairs = [
        CardPair(
            path.name, path, None, float(path.parent.name.removeprefix("psa")), split="val" if n < 200 else "train"
        )
        for n, path in enumerate(chosen[:LEARNED_FROM])
    ]
    return pairs, chosen[LEARNED_FROM:]


def trained(pairs: list[CardPair], folder: Path) -> Model:
    """A model that has learned from some of the fronts; how it did is printed."""
    for event in train(build(TOLD), pairs, folder):
        if isinstance(event, EpochDone):
            print(f"epoch {event.epoch}: val QWK {event.metrics['qwk']:.3f}", flush=True)
    return load_model(folder / MODEL)


def grade_of(model: Model, canvas: np.ndarray) -> tuple[int, np.ndarray]:
    """What the model says of a front by itself: the grade and the ten probabilities."""
    canvases = np.stack([canvas, np.zeros_like(canvas)])[None]
    pictures = {"canvases": torch.from_numpy(canvases), "present": torch.tensor([[True, False]])}
    said = predict(model, model_input(pictures, model.config, model.phase, model.device))
    return said.grade, said.probabilities


def measure() -> list[Row]:
    """Learn, then judge each slab three times; nothing is measured where the pictures are absent."""
    if not FRONTS.is_dir():
        print(f"{FRONTS} is absent: the repainting of labels is not measured")
        return []
    random = np.random.default_rng(3)
    pairs, pictures = split_fronts(random)
    with tempfile.TemporaryDirectory() as folder:
        model = trained(pairs, Path(folder))
    size = model.config.image_size
    held_differs, anew_differs, refused, count = 0, 0, 0, 0
    shifts = []
    for path in pictures:
        rgb = read_picture(path)
        try:
            found = find_card(rgb)
        except NoCard:
            continue
        if found.kind != "slab":
            continue
        count += 1
        painted = label_painted(random, rgb, found.quad)
        grade, said = grade_of(model, card_canvas(rgb, found.quad, size=size))
        held_differs += not np.array_equal(grade_of(model, card_canvas(painted, found.quad, size=size))[1], said)
        try:
            anew = find_card(painted).quad
            shifts.append(np.linalg.norm(anew - found.quad, axis=1).max() / longer_side(found.quad))
            anew_differs += grade_of(model, card_canvas(painted, anew, size=size))[0] != grade
        except NoCard:
            refused += 1
    print(f"{refused} of {count} slabs were refused once their label was painted over")
    shift = np.array(shifts)
    print(
        f"worst corner moved by {np.median(shift):.2%} of the height in the median; more than 1 % in "
        f"{(shift > 0.01).mean():.1%}, more than 5 % in {(shift > 0.05).mean():.1%}"
    )
    what = "real slabs whose answer changed when the label was painted over"
    return [
        Row(f"{what}, quad held", "all of them", held_differs / count, count, at_most=0.0),
        Row(f"{what}, found anew", "all of them", anew_differs / count, count, at_most=0.01),
    ]
