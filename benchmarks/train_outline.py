"""Train the outline network on drawn pictures: python -m benchmarks.train_outline --pictures FILE.npz --out FILE."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.image.outline import OutlineNetwork

BATCH = 32
MOST_RATE = 2e-3
LEVELS = 256


class Pictures:
    """The rows of one or more files; `batch` draws some and turns, mirrors and recolours them."""

    def __init__(self, paths: list[Path], shares: list[float]) -> None:
        self.files = [dict(np.load(path)) for path in paths]
        self.shares = np.array(shares) / sum(shares)

    def batch(self, random: np.random.Generator, size: int) -> dict[str, Tensor]:
        """(size, ...) tensors: boxes, covers, kinds, statuses, upwards, has_up."""
        of_file = random.choice(len(self.files), size=size, p=self.shares)
        rows = [(file, int(random.integers(len(self.files[file]["kinds"])))) for file in of_file]
        columns = {name: np.stack([self.files[f][name][i] for f, i in rows]) for name in self.files[0]}
        boxes, covers = columns["boxes"], columns["covers"]
        for index in range(size):
            boxes[index, ..., :3] = recoloured(random, np.ascontiguousarray(boxes[index, ..., :3]))
        tensors = {name: torch.from_numpy(column) for name, column in columns.items()}
        return turned(random, tensors | {"boxes": torch.from_numpy(boxes), "covers": torch.from_numpy(covers)})


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
    boxes, covers, upwards = tensors["boxes"], tensors["covers"], tensors["upwards"].clone()
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
    is_card = batch["statuses"] != 1
    kind_loss = F.cross_entropy(kind.float()[is_card], batch["kinds"][is_card])
    status_loss = F.cross_entropy(status.float(), batch["statuses"])
    direction = batch["upwards"] * batch["has_up"][:, None]
    upward_loss = F.mse_loss(upward.float(), direction)
    parts = {"cover": cover_loss, "kind": kind_loss, "status": status_loss, "upward": upward_loss}
    total = 3 * cover_loss + 0.15 * kind_loss + 0.4 * status_loss + 0.3 * upward_loss
    return total, {name: float(part.detach()) for name, part in parts.items()}


def main() -> None:
    """Train until the minutes are over, on a rate that rises and falls once; write the weights in half precision."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--pictures", type=Path, nargs="+", required=True)
    parser.add_argument(
        "--shares", type=float, nargs="*", help="how often each file is drawn from; equally when absent"
    )
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rate", type=float, default=MOST_RATE)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    torch.manual_seed(chosen.seed)
    random = np.random.default_rng(chosen.seed)
    pictures = Pictures(chosen.pictures, chosen.shares or [1.0] * len(chosen.pictures))
    network = OutlineNetwork().to(memory_format=torch.channels_last)
    if chosen.start:
        network.load_state_dict(torch.load(chosen.start, map_location="cpu", weights_only=True))
    optimiser = torch.optim.AdamW(network.parameters(), lr=chosen.rate, weight_decay=1e-3)
    began, step = time.monotonic(), 0
    means: dict[str, float] = {}
    while (done := (time.monotonic() - began) / (60 * chosen.minutes)) < 1:
        rate = chosen.rate * min(1.0, 0.05 + done / 0.05) * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * done)))
        for group in optimiser.param_groups:
            group["lr"] = float(rate)
        loss, parts = loss_of(network, pictures.batch(random, BATCH))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        step += 1
        means = {name: 0.99 * means.get(name, value) + 0.01 * value for name, value in parts.items()}
        if step % 100 == 0:
            print(f"{done:5.1%} step {step} " + " ".join(f"{k} {v:.4f}" for k, v in means.items()), flush=True)
    torch.save(
        {name: value.half() if value.is_floating_point() else value for name, value in network.state_dict().items()},
        chosen.out,
    )


if __name__ == "__main__":
    main()
