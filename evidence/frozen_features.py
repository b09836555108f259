"""Frozen ImageNet features of card pictures, and ridge regression on them: the simplest model of a grade."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from app.terminal import ProgressMeter
from engine.cards.grades import GRADES
from engine.config import FeatureStage, Pooling
from engine.detection.find_card import picture_bounds
from engine.detection.read_and_find import read_and_find
from engine.image.detection import NoCard
from engine.image.read import read_picture
from engine.image.rectify import card_canvas, rectify
from engine.model.encoders import build_encoder
from engine.model.rim_pooling import pool
from engine.preprocessing.channels_torch import six_channels_batch
from engine.storage.atomic import atomic_write

BATCH = 16
# Strength of the regularization, chosen by leave-one-out on the training cards.
ALPHAS = np.logspace(1, 5, 9)


@dataclass(frozen=True)
class InputSpec:
    """Input of the frozen encoder: the card rectified to (height, width), on a black square if both are equal.

    region          "picture": the whole picture, resized, with all that surrounds the card
    stage, pooling  as the settings feature_stage and pooling
    """

    encoder: str = "efficientnet_lite0"
    channels: str = "rgb"
    height: int = 352
    width: int = 256
    region: Literal["card", "picture"] = "card"
    stage: FeatureStage = "last"
    pooling: Pooling = "mean"

    @property
    def name(self) -> str:
        """Short name, for files and tables."""
        whole = ", whole picture" if self.region == "picture" else ""
        stage = ", penultimate stage" if self.stage == "penultimate" else ""
        rim = ", rim pooling" if self.pooling == "rim" else ""
        return f"{self.encoder} {self.channels} {self.height}x{self.width}{whole}{stage}{rim}"


Change = Callable[[np.ndarray], np.ndarray]


def card_features(
    paths: Sequence[Path], spec: InputSpec, cache: Path, change: Change | None = None, change_name: str = ""
) -> NDArray[np.float32]:
    """Summary of the encoder's feature map for each picture, (N, features), cached in a file per call.

    change  applied to the rectified card, (H, W, 3) uint8, before the encoder

    A picture in which no card is found is taken whole.
    """
    key = hashlib.sha256("\n".join([spec.name, change_name, *map(str, paths)]).encode()).hexdigest()[:20]
    file = cache / f"{key}.npy"
    if file.exists():
        return np.asarray(np.load(file))
    encoder = build_encoder(spec.encoder, "imagenet", spec.channels, spec.stage).eval()  # type: ignore[arg-type]
    meter, parts = ProgressMeter(), []
    for start in range(0, len(paths), BATCH):
        canvases = [_canvas(path, spec, cache) for path in paths[start : start + BATCH]]
        rgb = torch.from_numpy(np.stack([change(canvas) if change else canvas for canvas in canvases]))
        with torch.inference_mode():
            channels = six_channels_batch(rgb) if spec.channels == "six" else rgb.movedim(-1, 1).float() / 255
            parts.append(pool(encoder(channels), spec.pooling).numpy())
        meter(f"features, {spec.name} {change_name}".strip(), min(start + BATCH, len(paths)), len(paths))
    features = np.concatenate(parts)
    _save_array(file, features)
    return features


def _canvas(path: Path, spec: InputSpec, cache: Path) -> np.ndarray:
    """The rectified card, (height, width, 3) uint8; its quad is cached, since detection costs most."""
    if spec.region == "picture":
        return cv2.resize(read_picture(path), (spec.width, spec.height), interpolation=cv2.INTER_AREA)
    quads = cache / "quads"
    file = quads / f"{hashlib.sha256(str(path).encode()).hexdigest()[:20]}.npy"
    if file.exists():
        rgb, quad = read_picture(path), np.load(file)
    else:
        try:
            rgb, detection = read_and_find(path)
            quad = detection.quad
        except NoCard:
            rgb = read_picture(path)
            quad = picture_bounds(rgb.shape[:2])
        _save_array(file, quad)
    if spec.height == spec.width:
        return card_canvas(rgb, quad, size=spec.height)
    return rectify(rgb, quad, size=(spec.height, spec.width))


def _save_array(file: Path, array: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(file) as part, part.open("wb") as stream:
        np.save(stream, array)


def ridge_predictions(
    training: NDArray[np.floating], grades: NDArray[np.floating], features: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Fit ridge regression of the grade on standardized features; returns the expected grade of each row."""
    model = make_pipeline(StandardScaler(), RidgeCV(ALPHAS))
    return np.asarray(model.fit(training, grades).predict(features))


def to_probabilities(expected: NDArray[np.floating], deviation: float) -> NDArray[np.float64]:
    """Probabilities of the ten grades, (N, 10): a normal distribution of that deviation, normalized over the grades.

    The most probable grade is the expected one, rounded and limited to 1 .. 10.
    """
    density = np.exp(-0.5 * ((np.array(GRADES) - expected[:, None]) / deviation) ** 2)
    floor = np.finfo(np.float64).tiny
    return np.asarray((density + floor) / (density + floor).sum(axis=1, keepdims=True))


def photograph_measures(path: Path) -> list[float]:
    """Properties of the photograph that have nothing to do with the card's condition, for the control.

    Height, width, bytes, sharpness (log variance of the Laplacian), mean and deviation of the brightness, mean colors.
    """
    rgb = read_picture(path)
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    sharpness = float(np.log(cv2.Laplacian(gray, cv2.CV_64F).var() + 1))
    return [
        *(float(length) for length in rgb.shape[:2]),
        float(path.stat().st_size),
        sharpness,
        float(gray.mean()),
        float(gray.std()),
        *(float(mean) for mean in rgb.mean(axis=(0, 1))),
    ]
