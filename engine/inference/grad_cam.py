"""Saliency maps of what lowers a card's grade: HiResCAM, Grad-CAM and LayerCAM.

The target is the negative expected grade. Activations are those after the attention of a side; the gradient ends there,
so that a map costs one pass through the encoders. With activations A and gradients G of one side, a map is

    HiResCAM   sum over channels of G * A          Draelos and Carin, 2020
    Grad-CAM   sum over channels of mean(G) * A    Selvaraju et al., 2017
    LayerCAM   sum over channels of relu(G) * A    Jiang et al., 2021

Where the features are averaged over the side, G is the same at all positions and HiResCAM is Grad-CAM; where edges and
corners are pooled by themselves, Grad-CAM's mean gradient loses the place. HiResCAM is the default.

The usual final step clips a map at 0 and scales it to its own range. That leaves nothing of a good card's map, and a
side with a small effect looks like one with a large effect. Here the value of a position is how much more it lowers the
grade than the average of its side, and both sides share one scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
import torch
from torch import Tensor

from engine.data.inputs import Inputs
from engine.inference.load_model import LoadedModel
from engine.model.dual_branch import CardMaps, DualBranch

MAX_OPACITY = 0.55

MapMethod = Literal["hires_cam", "grad_cam", "layer_cam"]
MAP_METHODS: tuple[MapMethod, ...] = get_args(MapMethod)
# (1, C, h, w) activations and gradients -> (h, w)
_FORMULAS: dict[MapMethod, Callable[[Tensor, Tensor], Tensor]] = {
    "grad_cam": lambda activations, gradients: (gradients.mean(dim=(2, 3), keepdim=True) * activations).sum(dim=1)[0],
    "hires_cam": lambda activations, gradients: (gradients * activations).sum(dim=1)[0],
    "layer_cam": lambda activations, gradients: (gradients.relu() * activations).sum(dim=1)[0],
}


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


def expected_grade(network: DualBranch, front: Tensor, back: Tensor, auxiliary: list[Tensor]) -> Tensor:
    """The expected grade, (B,) in 1 to 10, of the (B, features) of both sides and of the auxiliary branches."""
    scores = network.fuse_and_score(front, back, auxiliary)
    probabilities = network.grade.log_probabilities(scores.grade).exp()
    return (probabilities * torch.arange(1, 11, device=probabilities.device)).sum(dim=1)


def explain(model: LoadedModel, inputs: Inputs, method: MapMethod = "hires_cam") -> SaliencyMaps:
    """Compute the saliency maps of one card from the inputs given to `predict`."""
    return explain_by_each_method(model, inputs)[method]


def explain_by_each_method(
    model: LoadedModel, inputs: Inputs, maps: CardMaps | None = None
) -> dict[MapMethod, SaliencyMaps]:
    """Compute the saliency maps of one card by all methods, from one pass through the encoders.

    maps  of the encoders, if they are computed already
    """
    network = model.network
    with torch.no_grad():
        auxiliary = network.auxiliary_features(inputs.present, inputs.regions, inputs.measured)
        if maps is None:
            maps = network.card_maps(inputs.front, inputs.back, inputs.present)
    front, back = (None if encoded is None else encoded.detach().requires_grad_() for encoded in maps)
    with torch.enable_grad():
        target = -expected_grade(network, *network.features_of_maps((front, back)), auxiliary).sum()
        present = [activations for activations in (front, back) if activations is not None]
        gradients = iter(torch.autograd.grad(target, present) if present else ())
    pairs = [None if found is None else (found.detach().float(), next(gradients).float()) for found in (front, back)]
    shape = inputs.front.shape[-2:]
    return {method: _maps(pairs, formula, (shape[0], shape[1])) for method, formula in _FORMULAS.items()}


def _maps(
    pairs: list[tuple[Tensor, Tensor] | None], formula: Callable[[Tensor, Tensor], Tensor], shape: tuple[int, int]
) -> SaliencyMaps:
    """Maps of both sides at canvas size, on one scale."""
    raw = [None if pair is None else _above_average(formula(*pair).cpu().numpy(), shape) for pair in pairs]
    maximum = max((float(side.max()) for side in raw if side is not None), default=0.0)
    return SaliencyMaps(*(None if side is None else side / max(maximum, 1e-12) for side in raw))


def _above_average(raw: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Class activation map minus its mean, at canvas size, before scaling: (H, W) float32, at least 0."""
    above_average = np.ascontiguousarray(raw - raw.mean(), np.float32)
    return np.maximum(cv2.resize(above_average, shape[::-1], interpolation=cv2.INTER_LINEAR), 0)


def overlay(canvas: np.ndarray, saliency: np.ndarray) -> np.ndarray:
    """Draw a saliency map over the card: transparent at 0, yellow to red for high values.

    canvas (H, W, 3) uint8, saliency (H, W) in [0, 1];  returns (H, W, 3) uint8
    """
    heat = heat_colors(saliency)
    opacity = (MAX_OPACITY * saliency)[:, :, None]
    return np.rint(canvas * (1 - opacity) + heat * opacity).astype(np.uint8)


def heat_colors(saliency: np.ndarray) -> np.ndarray:
    """Colors of a saliency map, (H, W) in [0, 1] -> (H, W, 3) uint8 RGB, black to yellow."""
    return cv2.applyColorMap((saliency * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[:, :, ::-1]
