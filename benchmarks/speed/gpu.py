"""All that a GPU is to show, in one command of under ten minutes: parity, the channels' speed, and full-size training.

The rows of a finished part are kept in the temporary folder until the code changes, so that an interrupted run goes on.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.harness import ROOT, NothingMeasured, Row
from benchmarks.speed import cuda, train
from engine.preprocessing.channels_torch import lab, six_channels_batch, six_channels_torch
from engine.simulate.print.pictures import draw_noise_card
from evidence.cached_json import load_or_compute

PICTURES, SIDE_PX = 8, 448
# Of the channels on the GPU: CLAHE may round lightness to the next level; the derivatives are of that lightness.
MAX_CLAHE_LEVELS, MAX_DERIVATIVE_ERROR = 1.001, 1e-4
# Full size: both encoders at 448 pixels. The share of the time that a GPU waits for pictures.
TRAINING_PAIRS, TRAINING_PX, EPOCHS = 192, 448, 2
MAX_DATA_WAIT = 0.05


def measure() -> list[Row]:
    """Run what is not finished, part by part."""
    if not torch.cuda.is_available():
        raise NothingMeasured("there is no CUDA device; run it on a machine with a GPU")
    parts: dict[str, Callable[[], list[Row]]] = {
        "parity": lambda: parity(torch.device("cuda")),
        "channels": cuda.measure,
        "loop": train.measure,
        "full size": full_size_training,
    }
    rows = []
    for name, part in parts.items():
        print(f"gpu: {name}", flush=True)
        rows += kept(name, part)
    return rows


def parity(device: torch.device, reds: range = range(256)) -> list[Row]:
    """The channels on a device against those of OpenCV: every color with these reds in LAB, and pictures of noise."""
    wrong = 0
    green, blue = np.meshgrid(np.arange(256), np.arange(256), indexing="ij")
    for red in reds:
        rgb = np.stack([np.full_like(green, red), green, blue], axis=-1).astype(np.uint8)
        ours = torch.stack(lab(torch.from_numpy(rgb).to(device)), dim=-1).cpu().numpy()
        wrong += int((ours != cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)).any(axis=2).sum())
    random = np.random.default_rng(0)
    pictures = torch.from_numpy(np.stack([draw_noise_card(random, SIDE_PX, SIDE_PX) for _ in range(PICTURES)]))
    ours = six_channels_torch(pictures.to(device)).cpu()
    expected = six_channels_batch(pictures)
    levels = float((ours[:, 0] - expected[:, 0]).abs().max() * 255)
    colors = float((ours[:, 1:3] - expected[:, 1:3]).abs().max())
    equalized = (ours[:, 0] * 255).round().byte().numpy()
    derivatives = max(
        float(np.abs(result - _derivative(lightness, index)).max())
        for lightness, results in zip(equalized, ours[:, 3:].numpy(), strict=True)
        for index, result in enumerate(results)
    )
    return [
        Row("colors whose LAB differs", "OpenCV's", wrong, len(reds) * 2**16, at_most=0),
        Row("equalized lightness, levels off", "OpenCV's", levels, PICTURES, at_most=MAX_CLAHE_LEVELS),
        Row("a and b, largest difference", "OpenCV's", colors, PICTURES, at_most=1e-6),
        Row("derivatives, largest difference", "OpenCV's", derivatives, PICTURES, at_most=MAX_DERIVATIVE_ERROR),
    ]


def _derivative(lightness: np.ndarray, index: int) -> np.ndarray:
    """Derivative `index` of a picture by OpenCV: horizontal, vertical, and the Laplacian, 0 to 1."""
    if index < 2:
        result = cv2.Sobel(lightness, cv2.CV_64F, 1 - index, index, ksize=3)
    else:
        result = cv2.Laplacian(lightness, cv2.CV_64F, ksize=1)
    return np.asarray(np.minimum(np.abs(result), 255) / 255)


def full_size_training(pairs: int = TRAINING_PAIRS, image_size: int = TRAINING_PX) -> list[Row]:
    """Two epochs of the recipe `ordinal` on simulated pairs, by command: how long it waits for pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _command("simulate", "--pairs", str(pairs), "--seed", "1", "--out", str(folder / "cards"))
        settings = [f"image_size={image_size}", "phase1_epochs=1", f"phase2_epochs={EPOCHS - 1}", "pretrained=none"]
        told = _command(
            "train",
            *("--recipe", "ordinal", "--manifest", str(folder / "cards" / "labels.csv"), "--out", str(folder / "run")),
            *(word for setting in settings for word in ("--set", setting)),
        )
    print(f"full size: {told['pairs_per_second']:.1f} pairs/s at {image_size} pixels")
    what = f"waiting for pictures at {image_size} pixels"
    return [Row(what, "the time of training", told["data_wait_share"], pairs, at_most=MAX_DATA_WAIT)]


def _command(*arguments: str) -> dict[str, float]:
    """JSON that a command of the program prints."""
    done = subprocess.run([sys.executable, "launch.py", *arguments], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout))


def kept(name: str, part: Callable[[], list[Row]]) -> list[Row]:
    """The rows of a part, from the file of this version of the code if there is one."""
    version = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    if version.returncode:  # not a clone: nothing tells whether the code has changed
        return part()
    file = Path(tempfile.gettempdir()) / f"loupe-gpu-{version.stdout.strip()[:12]}" / f"{name}.json"
    kept = load_or_compute(file, lambda: [row.as_json() for row in part()])
    return [Row(**{key: value for key, value in row.items() if key != "holds"}) for row in kept]
