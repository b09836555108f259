"""Train the segmentation network: python -m tools.finder.train_outline --pictures FILE.npz --out FILE."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.detection.segmentation import INPUT_SIDE, KINDS, MASK_STRIDE, STATUSES, SegmentationNetwork, letterbox
from tools.finder.augment_surroundings import paint_surroundings
from tools.finder.make_dataset import CaptureSet
from tools.finder.train_loop import TrainingOptions, run_as_command, train

BATCH_SIZE = 32
LEVELS = 256
MASK_SUPERSAMPLING = 8
# Probability of painting over a whole card's surroundings, so that the network does not rely on a slab's label.
PAINT_PROBABILITY = 0.35


class LetterboxSampler:
    """Sampler of letterboxed pictures; `batch` draws some and rotates, mirrors and recolors them."""

    def __init__(self, files: list[CaptureSet], weights: list[float]) -> None:
        self.probabilities = np.array(weights) / sum(weights)
        self.files = [_letterboxed_columns(pictures) for pictures in files]

    def batch(self, random: np.random.Generator, size: int) -> dict[str, Tensor]:
        """Draw a batch of (size, ...) tensors: boxes, masks, kinds, statuses, upwards."""
        file_indices = random.choice(len(self.files), size=size, p=self.probabilities)
        rows = [(file, int(random.integers(len(self.files[file]["kinds"])))) for file in file_indices]
        columns = {name: np.stack([self.files[f][name][i] for f, i in rows]) for name in self.files[0]}
        quads = columns.pop("quads")
        for index in range(size):
            rgb = np.ascontiguousarray(columns["boxes"][index, ..., :3])
            if np.isfinite(quads[index]).all() and random.random() < PAINT_PROBABILITY:
                rgb = paint_surroundings(random, rgb, quads[index])
            columns["boxes"][index, ..., :3] = jitter_colors(random, rgb)
        return rotate_and_mirror(random, {name: torch.from_numpy(column) for name, column in columns.items()})


def _letterboxed_columns(pictures: CaptureSet) -> dict[str, np.ndarray]:
    count = len(pictures)
    boxes = np.zeros((count, INPUT_SIDE, INPUT_SIDE, 4), np.uint8)
    masks = np.zeros((count, INPUT_SIDE // MASK_STRIDE, INPUT_SIDE // MASK_STRIDE), np.uint8)
    upwards = np.zeros((count, 2), np.float32)
    whole_cards = np.full((count, 4, 2), np.nan)
    for index in range(count):
        boxes[index], scale, offset = letterbox(pictures.picture(index))
        quads = (pictures.cards(index) + 0.5) * scale + offset
        masks[index] = coverage_mask(quads)
        if pictures.statuses[index] == "one":
            whole_cards[index] = quads[0] - 0.5
        # In a slab the top is the label's side, regardless of the print.
        if pictures.upward[index] or (pictures.kinds[index] == "slab" and pictures.statuses[index] == "one"):
            up = quads[0][:2].mean(axis=0) - quads[0][2:].mean(axis=0)
            upwards[index] = up / np.linalg.norm(up)
    return {
        "boxes": boxes,
        "masks": masks,
        "kinds": np.array([KINDS.index(kind) for kind in pictures.kinds]),
        "statuses": np.array([STATUSES.index(status) for status in pictures.statuses]),
        "upwards": upwards,
        "quads": whole_cards,
    }


def coverage_mask(quads: np.ndarray) -> np.ndarray:
    """Return the fraction of each cell inside any quad, (INPUT_SIDE / 2, INPUT_SIDE / 2) uint8, 255 for all of it.

    quads  (N, 4, 2) pixels from the corner of the letterbox
    """
    fine = np.zeros((INPUT_SIDE // MASK_STRIDE * MASK_SUPERSAMPLING,) * 2, np.uint8)
    for quad in quads:
        points = quad / MASK_STRIDE * MASK_SUPERSAMPLING - 0.5
        cv2.fillConvexPoly(fine, np.clip(points * 16, -1e6, 1e6).round().astype(np.int32), 255, cv2.LINE_8, 4)
    return cv2.resize(fine, (INPUT_SIDE // MASK_STRIDE,) * 2, interpolation=cv2.INTER_AREA)


def jitter_colors(random: np.random.Generator, rgb: np.ndarray) -> np.ndarray:
    """Jitter contrast, brightness, color and gamma, by one lookup table per channel."""
    if random.random() < 0.3:
        return rgb
    value = np.arange(LEVELS) / 255
    gamma, gain, shift = random.uniform(0.7, 1.4), random.normal(1, 0.12, 3), random.normal(0, 0.05, 3)
    tables = np.clip((value[:, None] ** gamma * gain + shift) * 255, 0, 255).astype(np.uint8)
    return cv2.LUT(rgb, tables.reshape(1, LEVELS, 3))


def rotate_and_mirror(random: np.random.Generator, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rotate the whole batch by a multiple of 90 degrees with probability .5, and mirror it with probability .5."""
    boxes, masks, upwards = tensors["boxes"], tensors["masks"], tensors["upwards"]
    quarter_turns = int(random.choice([0, 0, 0, 1, 2, 3]))
    boxes, masks = torch.rot90(boxes, quarter_turns, (1, 2)), torch.rot90(masks, quarter_turns, (1, 2))
    for _ in range(quarter_turns):  # rot90 rotates counterclockwise on the screen: right becomes up
        upwards = torch.stack([upwards[:, 1], -upwards[:, 0]], dim=1)
    if random.random() < 0.5:
        boxes, masks = boxes.flip(2), masks.flip(2)
        upwards = upwards * torch.tensor([-1.0, 1.0])
    return tensors | {"boxes": boxes, "masks": masks, "upwards": upwards}


def compute_loss(network: SegmentationNetwork, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """Return the weighted sum of the mask, kind, status and direction losses; and its parts."""
    picture = batch["boxes"].permute(0, 3, 1, 2).float() / 255
    with torch.autocast("cpu", torch.bfloat16):
        mask, kind, status, upward = network(picture.contiguous(memory_format=torch.channels_last))
    mask_target = batch["masks"].float() / 255
    mask_loss = F.binary_cross_entropy_with_logits(mask.float(), mask_target)
    is_card = batch["statuses"] != STATUSES.index("none")
    kind_loss = F.cross_entropy(kind.float()[is_card], batch["kinds"][is_card])
    status_loss = F.cross_entropy(status.float(), batch["statuses"])
    upward_loss = F.mse_loss(upward.float(), batch["upwards"])
    parts = {"mask": mask_loss, "kind": kind_loss, "status": status_loss, "upward": upward_loss}
    total = 3 * mask_loss + 0.15 * kind_loss + 0.4 * status_loss + 0.3 * upward_loss
    return total, {name: float(part.detach()) for name, part in parts.items()}


def batch_source(options: TrainingOptions, random: np.random.Generator) -> Callable[[], dict[str, Tensor]]:
    """Read the dataset files; returns a function that draws the next batch."""
    sampler = LetterboxSampler([CaptureSet.read(path) for path in options.pictures], options.shares)
    return lambda: sampler.batch(random, BATCH_SIZE)


def main(options: TrainingOptions) -> None:
    """Train the segmentation network for a number of minutes; write its weights in half precision."""
    torch.manual_seed(options.seed)
    network = SegmentationNetwork().to(memory_format=torch.channels_last)
    train(network, compute_loss, batch_source(options, np.random.default_rng(options.seed)), options)


if __name__ == "__main__":
    run_as_command(main)
