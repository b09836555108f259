"""Faithfulness of a saliency map, measured by deletion: does hiding what it marks change the grade more than chance?

The cells of a side that the map marks most are blurred, and the expected grade is computed again. The same number of
cells chosen at random gives the rises to compare with. Source: Petsiuk, Das and Saenko, "RISE", 2018 (deletion).
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from engine.cards.rubric import Side
from engine.data.inputs import Inputs
from engine.inference.grad_cam import SaliencyMaps, expected_grade
from engine.inference.load_model import LoadedModel

Faithfulness = Literal["strong", "weak", "none"]
RANDOM_DELETIONS = 19
HIDDEN_SHARE = 0.15
# A weak map beats 15 of 19 random deletions, a strong one all: one chance in 4 and in 20 for a map without meaning.
MIN_BEATEN_WEAK = 15
# In grades; a smaller difference is one of rounding.
MIN_DIFFERENCE = 1e-4
CELL_PX = 32
# Deviation within a cell, of channels in [0, 1], from which it shows something.
MIN_DEVIATION = 1e-3
BATCH_SIZE = 5


def measure_faithfulness(
    model: LoadedModel, inputs: Inputs, maps: SaliencyMaps, seed: int = 0
) -> dict[Side, Faithfulness]:
    """The faithfulness of the map of each side that has one. Costs 20 passes of a side's encoder."""
    sides: tuple[tuple[Side, np.ndarray | None], ...] = (("front", maps.front), ("back", maps.back))
    random = np.random.default_rng(seed)
    return {side: _of_side(model, inputs, side, saliency, random) for side, saliency in sides if saliency is not None}


def _of_side(
    model: LoadedModel, inputs: Inputs, side: Side, saliency: np.ndarray, random: np.random.Generator
) -> Faithfulness:
    channels = inputs.front if side == "front" else inputs.back
    rows, columns = (max(1, length // CELL_PX) for length in channels.shape[-2:])
    marked = cv2.resize(saliency, (columns, rows), interpolation=cv2.INTER_AREA).ravel()
    cells = np.flatnonzero(_shows_something(channels, rows, columns))
    # Not cells that the map leaves at 0.
    count = min(max(1, round(HIDDEN_SHARE * len(cells))), int((marked[cells] > 0).sum()))
    if count == 0:
        return "none"
    by_map = cells[np.argsort(-marked[cells], kind="stable")[:count]]
    hidden = [by_map, *(random.choice(cells, count, replace=False) for _ in range(RANDOM_DELETIONS))]
    masks = np.zeros((len(hidden), rows * columns), np.float32)
    for mask, chosen in zip(masks, hidden, strict=True):
        mask[chosen] = 1
    return _rating(_grades_without(model, inputs, side, masks.reshape(-1, rows, columns)))


def _rating(grades: np.ndarray) -> Faithfulness:
    """The rating of a deletion, the first of the expected grades, among the random ones."""
    beaten = int((grades[0] > grades[1:] + MIN_DIFFERENCE).sum())
    if beaten == len(grades) - 1:
        return "strong"
    return "weak" if beaten >= MIN_BEATEN_WEAK else "none"


def _shows_something(channels: Tensor, rows: int, columns: int) -> np.ndarray:
    """True for each cell of (1, C, H, W) channels that is not of one value, (rows * columns,)."""
    squared = torch.nn.functional.adaptive_avg_pool2d(channels**2, (rows, columns))
    variance = squared - torch.nn.functional.adaptive_avg_pool2d(channels, (rows, columns)) ** 2
    return (variance.amax(dim=1).flatten() > MIN_DEVIATION**2).cpu().numpy()


def _grades_without(model: LoadedModel, inputs: Inputs, side: Side, masks: np.ndarray) -> np.ndarray:
    """The expected grade, (N,), with the cells of each of (N, rows, columns) masks blurred on one side."""
    network = model.network
    is_front = side == "front"
    varied, channels = (network.front, inputs.front) if is_front else (network.back, inputs.back)
    grades = []
    with torch.inference_mode():
        # Held fixed: the other side and the auxiliary branches.
        fixed, shown, index = (network.back, inputs.back, 1) if is_front else (network.front, inputs.front, 0)
        other = fixed(shown, inputs.present[:, index])
        auxiliary = network.auxiliary_features(inputs.present, inputs.regions, inputs.measured)
        blurred = _blurred(channels)
        for batch in torch.from_numpy(masks).to(channels.device)[:, None].split(BATCH_SIZE):
            mask = torch.nn.functional.interpolate(batch, channels.shape[-2:], mode="nearest")
            features = varied.encode(channels * (1 - mask) + blurred * mask)
            others = other.expand(len(batch), -1)
            front, back = (features, others) if is_front else (others, features)
            expanded = [part.expand(len(batch), -1) for part in auxiliary]
            grades.append(expected_grade(network, front, back, expanded))
    return torch.cat(grades).float().cpu().numpy()


def _blurred(channels: Tensor) -> Tensor:
    """Channels (1, C, H, W) averaged over windows of two cells."""
    size = 2 * CELL_PX + 1
    padded = torch.nn.functional.pad(channels, (CELL_PX,) * 4, mode="replicate")
    # Along one axis after the other: 30 times faster than over the window at once.
    return torch.nn.functional.avg_pool2d(torch.nn.functional.avg_pool2d(padded, (size, 1), 1), (1, size), 1)
