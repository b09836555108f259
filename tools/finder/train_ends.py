"""Train the network that sees where a card ends: python -m tools.finder.train_ends --pictures FILE.npz --out FILE."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor

from engine.detection.edge_network import DEPTHS, POSITIONS, EndsNetwork, as_input, depths, positions, strips_along
from engine.image.quads import directions, longer_side
from tools.finder.augment_surroundings import painted_around
from tools.finder.make_dataset import Pictures
from tools.finder.train_loop import Plan, plan_from, train
from tools.finder.train_outline import PAINTED_SHARE, recoloured

BATCH = 48
# Shares of the card's height: how far the strips reach to either side, in training, and how wrong the outline may be.
REACHES = (0.06, 0.24)
BLURRED_DEPTHS = 0.7
# Card heights, in pixels, that the strips are taken at; finer pictures are halved first.
MOST_CARD_PX = 400


class Looks:
    """Draws outlines that are wrong by as much as the first network's are, and what lies along their sides."""

    def __init__(self, files: list[Pictures], shares: list[float]) -> None:
        self.files, self.shares = files, np.array(shares) / sum(shares)

    def batch(self, random: Generator, size: int) -> dict[str, Tensor]:
        """(size, ...) tensors: strips, targets (a depth's index or -1 outside the reach), is_card."""
        strips = np.empty((size, 4, 2 * POSITIONS, DEPTHS, 4), np.uint8)
        targets = np.full((size, 4, POSITIONS), -1, np.float32)
        is_card = np.zeros(size, np.float32)
        for row in range(size):
            pictures, index = self._one(random)
            rgb, is_card[row] = pictures.picture(index), pictures.statuses[index] == "one"
            truth = pictures.cards(index)[0].astype(np.float64) if is_card[row] else _anywhere(random, pictures, index)
            while longer_side(truth) > MOST_CARD_PX or (longer_side(truth) > 200 and random.random() < 0.3):
                rgb = cv2.resize(rgb, (rgb.shape[1] // 2, rgb.shape[0] // 2), interpolation=cv2.INTER_AREA)
                truth = (truth + 0.5) / 2 - 0.5
            if is_card[row] and random.random() < PAINTED_SHARE:
                rgb = painted_around(random, rgb, truth)
            tall = longer_side(truth)
            reach_px = random.uniform(*REACHES) * tall
            turn = random.integers(4)
            truth = np.roll(truth, turn, axis=0)
            quad = wronged(random, truth, 0.7 * reach_px)
            strips[row] = strips_along(rgb, quad, reach_px)
            if random.random() < 0.5:  # the card's mirror image: its sides in the other order, each run backwards
                strips[row] = strips[row, ::-1, ::-1]
                ends = ends_of(truth, quad, reach_px)[::-1, ::-1]
            else:
                ends = ends_of(truth, quad, reach_px)
            targets[row] = ends if is_card[row] else -1
            flat = np.ascontiguousarray(strips[row, ..., :3]).reshape(-1, DEPTHS, 3)
            strips[row, ..., :3] = recoloured(random, flat).reshape(4, -1, DEPTHS, 3)
        return {
            "strips": torch.from_numpy(strips),
            "targets": torch.from_numpy(targets),
            "is_card": torch.from_numpy(is_card),
        }

    def _one(self, random: Generator) -> tuple[Pictures, int]:
        while True:
            pictures = self.files[random.choice(len(self.files), p=self.shares)]
            index = int(random.integers(len(pictures)))
            if pictures.statuses[index] in {"one", "none"} or (
                pictures.statuses[index] == "cut" and random.random() < 0.5
            ):
                return pictures, index


def _anywhere(random: Generator, pictures: Pictures, index: int) -> np.ndarray:
    """Where a finder might see a card that is not there; for one cut off, the part of it in the picture."""
    height, width = pictures.picture(index).shape[:2]
    if pictures.statuses[index] == "cut":
        return np.clip(pictures.cards(index)[0], -0.5, [width - 0.5, height - 0.5]).astype(np.float64)
    tall = min(height, width * 88 / 63) * random.uniform(0.3, 0.95)
    half = np.array([tall * 63 / 88, tall]) / 2
    middle = random.uniform(half, np.array([width, height]) - half)
    return middle + np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half


def wronged(random: Generator, truth: np.ndarray, most_px: float) -> np.ndarray:
    """A quad whose sides lie off the truth's: each its own way, all inward or outward together, corners a little."""
    _, normals = directions(truth)
    together = random.uniform(-0.6, 0.4) * most_px
    moves = np.clip(together + random.normal(0, 0.3, 4) * most_px, -most_px, most_px)
    corners = truth + normals * moves[:, None] + np.roll(normals * moves[:, None], 1, axis=0)
    return corners + random.normal(0, 0.12, (4, 2)) * most_px


def ends_of(truth: np.ndarray, quad: np.ndarray, reach_px: float) -> np.ndarray:
    """Where the truth's sides lie in a quad's strips: (4, POSITIONS) depth indices with fractions; -1 if outside."""
    _, normals = directions(quad)
    along, _ = directions(truth)
    at = quad[:, None] + (quad[[1, 2, 3, 0]] - quad)[:, None] * positions(POSITIONS)[None, :, None]
    away = truth[:, None] - at
    across = normals[:, 0] * along[:, 1] - normals[:, 1] * along[:, 0]
    depth_px = (away[..., 0] * along[:, None, 1] - away[..., 1] * along[:, None, 0]) / across[:, None]
    first, second = depths(reach_px)[:2]
    index = (depth_px - first) / (second - first)
    return np.where((index > -0.5) & (index < DEPTHS - 0.5), index, -1)


def loss_of(network: EndsNetwork, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """Cross-entropy of the depth against a narrow bell around the true one; and of a card being there at all."""
    with torch.autocast("cpu", torch.bfloat16):
        logits, is_card = network(as_input(batch["strips"].numpy()))
    targets = batch["targets"]
    bell = torch.exp(-0.5 * ((torch.arange(DEPTHS) - targets[..., None]) / BLURRED_DEPTHS) ** 2)
    bell = bell / bell.sum(dim=-1, keepdim=True)
    known = targets >= 0
    depth_loss = F.cross_entropy(logits.float()[known], bell[known])
    card_loss = F.binary_cross_entropy_with_logits(is_card.float(), batch["is_card"])
    middle = (logits.float().softmax(-1) * torch.arange(DEPTHS)).sum(-1)
    near = ((middle - targets)[known].abs() < 1.5).float().mean()
    return depth_loss + 0.2 * card_loss, {
        "depth": float(depth_loss.detach()),
        "card": float(card_loss.detach()),
        "near": float(near),
    }


def batches_of(plan: Plan, random: Generator) -> Callable[[], dict[str, Tensor]]:
    """Read the plan's files; a function that draws the next batch from them."""
    looks = Looks([Pictures.read(path) for path in plan.pictures], plan.shares)
    return lambda: looks.batch(random, BATCH)


def main() -> None:
    """Train the network of ends until the minutes are over; write its weights in half precision."""
    plan = plan_from(argparse.ArgumentParser(description=main.__doc__))
    torch.manual_seed(plan.seed)
    cv2.setNumThreads(1)
    train(
        EndsNetwork().to(memory_format=torch.channels_last),
        loss_of,
        batches_of(plan, np.random.default_rng(plan.seed)),
        plan,
    )


if __name__ == "__main__":
    main()
