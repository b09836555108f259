"""Train the outline network on drawn pictures: python -m tools.finder.train_outline --pictures FILE.npz --out FILE."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.detection.segmentation import KINDS, SIDE, STATUSES, STRIDE, OutlineNetwork, letterbox
from tools.finder.augment_surroundings import painted_around
from tools.finder.make_dataset import Pictures
from tools.finder.train_loop import Plan, plan_from, train

BATCH = 32
LEVELS = 256
FINE = 8
# How often a whole card's surroundings are painted over: a slab's label must not be what tells where its card lies.
PAINTED_SHARE = 0.35


class Letterboxed:
    """Files of pictures as the network sees them; `batch` draws some and turns, mirrors and recolours them."""

    def __init__(self, files: list[Pictures], shares: list[float]) -> None:
        self.shares = np.array(shares) / sum(shares)
        self.files = [_columns(pictures) for pictures in files]

    def batch(self, random: np.random.Generator, size: int) -> dict[str, Tensor]:
        """(size, ...) tensors: boxes, covers, kinds, statuses, upwards, has_up."""
        of_file = random.choice(len(self.files), size=size, p=self.shares)
        rows = [(file, int(random.integers(len(self.files[file]["kinds"])))) for file in of_file]
        columns = {name: np.stack([self.files[f][name][i] for f, i in rows]) for name in self.files[0]}
        quads = columns.pop("quads")
        for index in range(size):
            rgb = np.ascontiguousarray(columns["boxes"][index, ..., :3])
            if np.isfinite(quads[index]).all() and random.random() < PAINTED_SHARE:
                rgb = painted_around(random, rgb, quads[index])
            columns["boxes"][index, ..., :3] = recoloured(random, rgb)
        return turned(random, {name: torch.from_numpy(column) for name, column in columns.items()})


def _columns(pictures: Pictures) -> dict[str, np.ndarray]:
    count = len(pictures)
    boxes = np.zeros((count, SIDE, SIDE, 4), np.uint8)
    covers = np.zeros((count, SIDE // STRIDE, SIDE // STRIDE), np.uint8)
    upwards = np.zeros((count, 2), np.float32)
    whole_cards = np.full((count, 4, 2), np.nan)
    for index in range(count):
        boxes[index], scale, offset = letterbox(pictures.picture(index))
        quads = (pictures.cards(index) + 0.5) * scale + offset
        covers[index] = cover_of(quads)
        if pictures.statuses[index] == "one":
            whole_cards[index] = quads[0] - 0.5
        # In a slab the label's side is the top, whatever the print.
        if pictures.upward[index] or (pictures.kinds[index] == "slab" and pictures.statuses[index] == "one"):
            up = quads[0][:2].mean(axis=0) - quads[0][2:].mean(axis=0)
            upwards[index] = up / np.linalg.norm(up)
    return {
        "boxes": boxes,
        "covers": covers,
        "kinds": np.array([KINDS.index(kind) for kind in pictures.kinds]),
        "statuses": np.array([STATUSES.index(status) for status in pictures.statuses]),
        "upwards": upwards,
        "quads": whole_cards,
    }


def cover_of(quads: np.ndarray) -> np.ndarray:
    """Share of each cell that lies in any quad, (SIDE / 2, SIDE / 2) uint8; quads in pixels from the box's corner."""
    fine = np.zeros((SIDE // STRIDE * FINE,) * 2, np.uint8)
    for quad in quads:
        at = quad / STRIDE * FINE - 0.5
        cv2.fillConvexPoly(fine, np.clip(at * 16, -1e6, 1e6).round().astype(np.int32), 255, cv2.LINE_8, 4)
    return cv2.resize(fine, (SIDE // STRIDE,) * 2, interpolation=cv2.INTER_AREA)


def recoloured(random: np.random.Generator, rgb: np.ndarray) -> np.ndarray:
    """Contrast, brightness, colour and gamma by chance, through one table a channel."""
    if random.random() < 0.3:
        return rgb
    value = np.arange(LEVELS) / 255
    gamma, gain, shift = random.uniform(0.7, 1.4), random.normal(1, 0.12, 3), random.normal(0, 0.05, 3)
    tables = np.clip((value[:, None] ** gamma * gain + shift) * 255, 0, 255).astype(np.uint8)
    return cv2.LUT(rgb, tables.reshape(1, LEVELS, 3))


def turned(random: np.random.Generator, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Turn the whole batch by a quarter as often as pictures come sideways, and mirror half of it."""
    boxes, covers, upwards = tensors["boxes"], tensors["covers"], tensors["upwards"]
    quarters = int(random.choice([0, 0, 0, 1, 2, 3]))
    boxes, covers = torch.rot90(boxes, quarters, (1, 2)), torch.rot90(covers, quarters, (1, 2))
    for _ in range(quarters):  # rot90 turns anticlockwise on the screen: right becomes up
        upwards = torch.stack([upwards[:, 1], -upwards[:, 0]], dim=1)
    if random.random() < 0.5:
        boxes, covers = boxes.flip(2), covers.flip(2)
        upwards = upwards * torch.tensor([-1.0, 1.0])
    return tensors | {"boxes": boxes, "covers": covers, "upwards": upwards}


def loss_of(network: OutlineNetwork, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """Cover, kind, status and direction together; and each by itself."""
    picture = batch["boxes"].permute(0, 3, 1, 2).float() / 255
    with torch.autocast("cpu", torch.bfloat16):
        cover, kind, status, upward = network(picture.contiguous(memory_format=torch.channels_last))
    share = batch["covers"].float() / 255
    cover_loss = F.binary_cross_entropy_with_logits(cover.float(), share)
    is_card = batch["statuses"] != STATUSES.index("none")
    kind_loss = F.cross_entropy(kind.float()[is_card], batch["kinds"][is_card])
    status_loss = F.cross_entropy(status.float(), batch["statuses"])
    upward_loss = F.mse_loss(upward.float(), batch["upwards"])
    parts = {"cover": cover_loss, "kind": kind_loss, "status": status_loss, "upward": upward_loss}
    total = 3 * cover_loss + 0.15 * kind_loss + 0.4 * status_loss + 0.3 * upward_loss
    return total, {name: float(part.detach()) for name, part in parts.items()}


def batches_of(plan: Plan, random: np.random.Generator) -> Callable[[], dict[str, Tensor]]:
    """Read the plan's files; a function that draws the next batch from them."""
    pictures = Letterboxed([Pictures.read(path) for path in plan.pictures], plan.shares)
    return lambda: pictures.batch(random, BATCH)


def main() -> None:
    """Train the outline network until the minutes are over; write its weights in half precision."""
    plan = plan_from(argparse.ArgumentParser(description=main.__doc__))
    torch.manual_seed(plan.seed)
    network = OutlineNetwork().to(memory_format=torch.channels_last)
    train(network, loss_of, batches_of(plan, np.random.default_rng(plan.seed)), plan)


if __name__ == "__main__":
    main()
