"""Train the edge network: python -m tools.finder.train_ends --pictures FILE.npz --out FILE."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor

from engine.detection.edge_network import (
    DEPTHS,
    POSITIONS,
    EdgeNetwork,
    depth_offsets_px,
    position_fractions,
    sample_strips,
    strips_to_tensor,
)
from engine.image.quads import longer_side, side_directions
from tools.finder.augment_surroundings import paint_surroundings
from tools.finder.make_dataset import CaptureSet
from tools.finder.train_loop import TrainingOptions, run_as_command, train
from tools.finder.train_outline import PAINT_PROBABILITY, jitter_colors

BATCH_SIZE = 48
# Range of half the strips' width in training, as fractions of the card's height; it also scales the quad's error.
REACH_RANGE = (0.06, 0.24)
TARGET_SIGMA_DEPTHS = 0.7
# Largest card height, in pixels, at which strips are sampled; finer pictures are halved first.
MAX_CARD_PX = 400


class StripSampler:
    """Sampler of strips along quads that deviate from the truth as much as the segmentation network's do."""

    def __init__(self, files: list[CaptureSet], weights: list[float]) -> None:
        self.files, self.probabilities = files, np.array(weights) / sum(weights)

    def batch(self, random: Generator, size: int) -> dict[str, Tensor]:
        """Draw a batch of (size, ...) tensors: strips, targets (depth index, or -1 out of reach), is_card."""
        strips = np.empty((size, 4, 2 * POSITIONS, DEPTHS, 4), np.uint8)
        targets = np.full((size, 4, POSITIONS), -1, np.float32)
        is_card = np.zeros(size, np.float32)
        for row in range(size):
            pictures, index = self._draw_picture(random)
            rgb, is_card[row] = pictures.picture(index), pictures.statuses[index] == "one"
            truth = (
                pictures.cards(index)[0].astype(np.float64)
                if is_card[row]
                else _quad_without_card(random, pictures, index)
            )
            while longer_side(truth) > MAX_CARD_PX or (longer_side(truth) > 200 and random.random() < 0.3):
                rgb = cv2.resize(rgb, (rgb.shape[1] // 2, rgb.shape[0] // 2), interpolation=cv2.INTER_AREA)
                truth = (truth + 0.5) / 2 - 0.5
            if is_card[row] and random.random() < PAINT_PROBABILITY:
                rgb = paint_surroundings(random, rgb, truth)
            reach_px = random.uniform(*REACH_RANGE) * longer_side(truth)
            truth = np.roll(truth, random.integers(4), axis=0)
            quad = perturb_quad(random, truth, 0.7 * reach_px)
            strips[row] = sample_strips(rgb, quad, reach_px)
            if random.random() < 0.5:  # mirror the card: reverse the order and the direction of its sides
                strips[row] = strips[row, ::-1, ::-1]
                depth_indices = edge_targets(truth, quad, reach_px)[::-1, ::-1]
            else:
                depth_indices = edge_targets(truth, quad, reach_px)
            targets[row] = depth_indices if is_card[row] else -1
            rgb_strips = np.ascontiguousarray(strips[row, ..., :3]).reshape(-1, DEPTHS, 3)
            strips[row, ..., :3] = jitter_colors(random, rgb_strips).reshape(4, -1, DEPTHS, 3)
        return {
            "strips": torch.from_numpy(strips),
            "targets": torch.from_numpy(targets),
            "is_card": torch.from_numpy(is_card),
        }

    def _draw_picture(self, random: Generator) -> tuple[CaptureSet, int]:
        while True:
            pictures = self.files[random.choice(len(self.files), p=self.probabilities)]
            index = int(random.integers(len(pictures)))
            if pictures.statuses[index] in {"one", "none"} or (
                pictures.statuses[index] == "cut" and random.random() < 0.5
            ):
                return pictures, index


def _quad_without_card(random: Generator, pictures: CaptureSet, index: int) -> np.ndarray:
    """Return a plausible false quad in a picture without a card; for a cut card, its part in the picture."""
    height, width = pictures.picture(index).shape[:2]
    if pictures.statuses[index] == "cut":
        return np.clip(pictures.cards(index)[0], -0.5, [width - 0.5, height - 0.5]).astype(np.float64)
    height_px = min(height, width * 88 / 63) * random.uniform(0.3, 0.95)
    half = np.array([height_px * 63 / 88, height_px]) / 2
    middle = random.uniform(half, np.array([width, height]) - half)
    return middle + np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half


def perturb_quad(random: Generator, truth: np.ndarray, max_px: float) -> np.ndarray:
    """Perturb a quad: a common offset of all sides, an offset per side, and a smaller shift per corner."""
    _, normals = side_directions(truth)
    common_offset = random.uniform(-0.6, 0.4) * max_px
    offsets = np.clip(common_offset + random.normal(0, 0.3, 4) * max_px, -max_px, max_px)
    corners = truth + normals * offsets[:, None] + np.roll(normals * offsets[:, None], 1, axis=0)
    return corners + random.normal(0, 0.12, (4, 2)) * max_px


def edge_targets(truth: np.ndarray, quad: np.ndarray, reach_px: float) -> np.ndarray:
    """Return the fractional depth indices of the true sides in a quad's strips, (4, POSITIONS); -1 if outside."""
    _, normals = side_directions(quad)
    along, _ = side_directions(truth)
    points = quad[:, None] + (quad[[1, 2, 3, 0]] - quad)[:, None] * position_fractions(POSITIONS)[None, :, None]
    to_truth = truth[:, None] - points
    across = normals[:, 0] * along[:, 1] - normals[:, 1] * along[:, 0]
    depth_px = (to_truth[..., 0] * along[:, None, 1] - to_truth[..., 1] * along[:, None, 0]) / across[:, None]
    first, second = depth_offsets_px(reach_px)[:2]
    index = (depth_px - first) / (second - first)
    return np.where((index > -0.5) & (index < DEPTHS - 0.5), index, -1)


def compute_loss(network: EdgeNetwork, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """Return the cross-entropy of the depth, with Gaussian targets, plus that of card presence; and its parts."""
    with torch.autocast("cpu", torch.bfloat16):
        logits, is_card = network(strips_to_tensor(batch["strips"].numpy()))
    targets = batch["targets"]
    gaussian = torch.exp(-0.5 * ((torch.arange(DEPTHS) - targets[..., None]) / TARGET_SIGMA_DEPTHS) ** 2)
    gaussian = gaussian / gaussian.sum(dim=-1, keepdim=True)
    valid = targets >= 0
    depth_loss = F.cross_entropy(logits.float()[valid], gaussian[valid])
    card_loss = F.binary_cross_entropy_with_logits(is_card.float(), batch["is_card"])
    mean_depth = (logits.float().softmax(-1) * torch.arange(DEPTHS)).sum(-1)
    near = ((mean_depth - targets)[valid].abs() < 1.5).float().mean()
    return depth_loss + 0.2 * card_loss, {
        "depth": float(depth_loss.detach()),
        "card": float(card_loss.detach()),
        "near": float(near),
    }


def batch_source(options: TrainingOptions, random: Generator) -> Callable[[], dict[str, Tensor]]:
    """Read the dataset files; returns a function that draws the next batch."""
    sampler = StripSampler([CaptureSet.read(path) for path in options.pictures], options.shares)
    return lambda: sampler.batch(random, BATCH_SIZE)


def main(options: TrainingOptions) -> None:
    """Train the edge network for a number of minutes; write its weights in half precision."""
    torch.manual_seed(options.seed)
    cv2.setNumThreads(1)
    train(
        EdgeNetwork().to(memory_format=torch.channels_last),
        compute_loss,
        batch_source(options, np.random.default_rng(options.seed)),
        options,
    )


if __name__ == "__main__":
    run_as_command(main)
