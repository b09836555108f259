"""The six input channels of a batch on a GPU, against copying their input and output; skipped without a GPU."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from benchmarks.harness import NothingMeasured, Row, interleaved_medians
from engine.preprocessing.channels_torch import six_channels_batch
from engine.simulate.print.pictures import draw_noise_card

SIDE = 448
BATCH = 64
ROUNDS = 40
PICTURES_PER_S = 20_000


def measure() -> list[Row]:
    """Time both on a batch of one simulated card."""
    if not torch.cuda.is_available():
        raise NothingMeasured("there is no CUDA device; run it on a machine with a GPU")
    rgb = cv2.GaussianBlur(draw_noise_card(np.random.default_rng(0), SIDE, SIDE), (0, 0), 0.8)
    batch = torch.from_numpy(np.stack([rgb] * BATCH)).cuda()
    out = torch.empty((BATCH, 6, SIDE, SIDE), device="cuda")
    copy_in, copy_out = torch.empty_like(batch), torch.empty_like(out)

    def synchronize(result: object) -> None:
        del result
        torch.cuda.synchronize()

    seconds = interleaved_medians(
        {
            "ours": lambda: synchronize(six_channels_batch(batch)),
            "copy": lambda: synchronize((copy_in.copy_(batch), copy_out.copy_(out))),
        },
        rounds=ROUNDS,
    )
    what = f"six channels on {torch.cuda.get_device_name()}, batch {BATCH}"
    return [
        Row(what, "copying their bytes on the device", seconds["copy"] / seconds["ours"], ROUNDS, at_least=0.10),
        Row(what, f"{PICTURES_PER_S:,} a second", BATCH / seconds["ours"] / PICTURES_PER_S, ROUNDS, at_least=1.0),
    ]
