"""Grad-CAM saliency maps of what lowers a card's grade.

One map per side; the features of the other side and of the auxiliary branches are held fixed. The target is the
negative expected grade. Each position has its own gradient (Draelos and Carin, "HiResCAM", 2020): where the features
are averaged over the side, that is Grad-CAM (Selvaraju et al., 2017); where edges and corners are pooled by themselves,
Grad-CAM's mean gradient would lose the place. Through the grad-cam package, whose final map is not used: it clips at 0,
which would leave nothing of a good card's map, and it scales each map to its own range, so that a side with a small
effect looks like one with a large effect. Here the value of a position is how much more it lowers the grade than the
average of its side, and both sides share one scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from pytorch_grad_cam import HiResCAM
from torch import Tensor, nn

from engine.data.inputs import Inputs
from engine.inference.load_model import LoadedModel
from engine.model.dual_branch import DualBranch, SideEncoder

MAX_OPACITY = 0.55


@dataclass(frozen=True)
class SaliencyMaps:
    """Saliency maps of both sides, (S, S) float32 in [0, 1].

    The value of a position is how much more it lowers the expected grade than the average of its side does; 1 is the
    maximum over both sides. None for a side that is missing or that the model does not use.
    """

    front: np.ndarray | None
    back: np.ndarray | None

    @property
    def is_blank(self) -> bool:
        """True if all maps are 0: no position counts more than another."""
        return not any(saliency is not None and saliency.any() for saliency in (self.front, self.back))


class _NegativeExpectedGrade(nn.Module):
    """Channels of one side (1, 6 or 3, S, S) -> negative expected grade (1, 1)."""

    def __init__(
        self, network: DualBranch, side: SideEncoder, other_features: Tensor, auxiliary: Sequence[Tensor]
    ) -> None:
        super().__init__()
        self.network, self.side, self.other_features, self.auxiliary = network, side, other_features, auxiliary
        self.is_front = side is network.front

    def forward(self, channels: Tensor) -> Tensor:
        features = self.side(channels, torch.ones(len(channels), dtype=torch.bool, device=channels.device))
        front, back = (features, self.other_features) if self.is_front else (self.other_features, features)
        scores = self.network.fuse_and_score(front, back, self.auxiliary)
        probabilities = self.network.grade.log_probabilities(scores.grade).exp()
        return -(probabilities * torch.arange(1, 11, device=features.device)).sum(dim=1, keepdim=True)


def explain(model: LoadedModel, inputs: Inputs) -> SaliencyMaps:
    """Compute the saliency maps of one card from the inputs given to `predict`."""
    network = model.network
    with torch.no_grad():
        front_features = network.front(inputs.front, inputs.present[:, 0])
        back_features = network.back(inputs.back, inputs.present[:, 1])
        auxiliary = network.auxiliary_features(inputs.present, inputs.regions, inputs.measured)
    front_target = _NegativeExpectedGrade(network, network.front, back_features, auxiliary)
    back_target = _NegativeExpectedGrade(network, network.back, front_features, auxiliary)
    front = _raw_map(front_target, inputs.front) if inputs.present[0, 0] else None
    back = _raw_map(back_target, inputs.back) if inputs.present[0, 1] else None
    maximum = max((float(raw.max()) for raw in (front, back) if raw is not None), default=0.0)
    return SaliencyMaps(*(None if raw is None else raw / max(maximum, 1e-12) for raw in (front, back)))


def _raw_map(target: _NegativeExpectedGrade, channels: Tensor) -> np.ndarray:
    """Class activation map minus its mean, at canvas size, before scaling: (H, W) float32, at least 0."""
    attention = target.side.attention
    # Not used as a context manager: its exit swallows an IndexError.
    cam = HiResCAM(target, [attention])
    try:
        output_selectors = [lambda output: output[0]]
        cam(channels, output_selectors)
        hooks = cam.activations_and_grads
        activations, gradients = hooks.activations[0].numpy(), hooks.gradients[0].numpy()
        raw = cam.get_cam_image(channels, attention, output_selectors, activations, gradients, eigen_smooth=False)[0]
    finally:
        cam.activations_and_grads.release()
        target.network.zero_grad(set_to_none=True)
    height, width = channels.shape[-2:]
    above_average = np.ascontiguousarray(raw - raw.mean(), np.float32)
    resized = cv2.resize(above_average, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.maximum(resized, 0)


def overlay(canvas: np.ndarray, saliency: np.ndarray) -> np.ndarray:
    """Draw a saliency map over the card: transparent at 0, yellow to red for high values.

    canvas (H, W, 3) uint8, saliency (H, W) in [0, 1];  returns (H, W, 3) uint8
    """
    heat = cv2.applyColorMap((saliency * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[:, :, ::-1]
    opacity = (MAX_OPACITY * saliency)[:, :, None]
    return np.rint(canvas * (1 - opacity) + heat * opacity).astype(np.uint8)
