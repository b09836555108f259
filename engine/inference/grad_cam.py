"""Where a card loses its grade: Grad-CAM on each branch, the other side's and the regions' features held fixed.

The target is the expected grade with its sign turned, so that the maps show what lowers it. Source: Selvaraju et al.,
"Grad-CAM", 2017, through the grad-cam package, whose own output is not used as it stands. It cuts a map off at nought,
which is the middle of the scale: of a good card nothing would be left, though it too loses somewhere. And it stretches
each map to its own extremes, so that a side that costs little glows like one that costs much. Here a place counts by
how much more it lowers the grade than its side does on average, and both sides share one scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from torch import Tensor, nn

from engine.data.inputs import Inputs
from engine.inference.loaded_model import Model
from engine.model.dual_branch import DualBranch, Side

HEAT_WEIGHT = 0.55


@dataclass(frozen=True)
class Evidence:
    """How much more than its side's average each place lowers the expected grade: (S, S) float32 in [0, 1].

    1 is the strongest place of both sides.

    None for a side that is missing or that the model does not look at.
    """

    front: np.ndarray | None
    back: np.ndarray | None

    @property
    def is_blank(self) -> bool:
        """Whether no place of any side counts more than another: then the maps say nothing."""
        return not any(side is not None and side.any() for side in (self.front, self.back))


class _LowersGrade(nn.Module):
    """One side's channels (1, 6 or 3, S, S) -> minus the expected grade, (1, 1)."""

    def __init__(self, network: DualBranch, side: Side, other: Tensor, beside: Sequence[Tensor]) -> None:
        super().__init__()
        self.network, self.side, self.other, self.beside = network, side, other, beside
        self.is_front = side is network.front

    def forward(self, channels: Tensor) -> Tensor:
        own = self.side(channels, torch.ones(len(channels), dtype=torch.bool, device=channels.device))
        front, back = (own, self.other) if self.is_front else (self.other, own)
        scores = self.network.read_off(front, back, self.beside)
        probabilities = self.network.grade.log_probabilities(scores.grade).exp()
        return -(probabilities * torch.arange(1, 11, device=own.device)).sum(dim=1, keepdim=True)


def explain(model: Model, inputs: Inputs) -> Evidence:
    """Maps for one card, from the very inputs that `predict` was given."""
    network = model.network
    with torch.no_grad():
        features = (network.front(inputs.front, inputs.present[:, 0]), network.back(inputs.back, inputs.present[:, 1]))
        beside = network.read_beside(inputs.present, inputs.regions, inputs.measured)
    by_front = _LowersGrade(network, network.front, features[1], beside)
    by_back = _LowersGrade(network, network.back, features[0], beside)
    front = _raw_map(by_front, inputs.front) if inputs.present[0, 0] else None
    back = _raw_map(by_back, inputs.back) if inputs.present[0, 1] else None
    strongest = max((float(raw.max()) for raw in (front, back) if raw is not None), default=0.0)
    return Evidence(*(None if raw is None else raw / max(strongest, 1e-12) for raw in (front, back)))


def _raw_map(wrapped: _LowersGrade, channels: Tensor) -> np.ndarray:
    """The class activation map less its mean, at the canvas's size, before any scaling: (S, S) float32, at least 0."""
    # Not used as a context manager: its exit swallows an IndexError.
    attention = wrapped.side.attention
    cam = GradCAM(wrapped, [attention])
    try:
        targets = [lambda output: output[0]]
        cam(channels, targets)
        hooks = cam.activations_and_grads
        activations, gradients = hooks.activations[0].numpy(), hooks.gradients[0].numpy()
        raw = cam.get_cam_image(channels, attention, targets, activations, gradients)[0]
    finally:
        cam.activations_and_grads.release()
        wrapped.network.zero_grad(set_to_none=True)
    size = channels.shape[-1]
    above_average = np.ascontiguousarray(raw - raw.mean(), np.float32)
    smooth = cv2.resize(above_average, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.maximum(smooth, 0)


def overlay(canvas: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """A heat map over the card: clear where nothing is lost, yellow to red where much is.

    canvas (S, S, 3) uint8, evidence (S, S) in [0, 1];  returns (S, S, 3) uint8
    """
    heat = cv2.applyColorMap((evidence * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[:, :, ::-1]
    opacity = (HEAT_WEIGHT * evidence)[:, :, None]
    return np.rint(canvas * (1 - opacity) + heat * opacity).astype(np.uint8)
