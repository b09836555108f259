"""The six input channels of a 448 x 448 picture, on one thread."""

from __future__ import annotations

import cv2
import kornia
import numpy as np
import torch
from skimage import color, exposure, filters

from benchmarks.harness import Row, interleaved_medians, use_one_thread
from engine.preprocessing.channels import six_channels
from engine.simulate.print.pictures import draw_noise_card

SIDE = 448
ROUNDS = 40


def scikit_image_channels(rgb: np.ndarray) -> np.ndarray:
    """Channels with scikit-image's filters, as in the first version of the training history."""
    lab = color.rgb2lab(rgb)
    lightness = exposure.equalize_adapthist(lab[..., 0] / 100, kernel_size=SIDE // 8, clip_limit=0.01)
    derivatives = [filters.sobel_v(lightness), filters.sobel_h(lightness), filters.laplace(lightness)]
    planes = [lightness, (lab[..., 1] + 128) / 255, (lab[..., 2] + 128) / 255, *(np.abs(d) for d in derivatives)]
    return np.stack(planes).astype(np.float32)


def double_precision_channels(rgb: np.ndarray) -> np.ndarray:
    """Channels with OpenCV in 64-bit floats and new arrays, as in the second version of the training history."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    lightness = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(lab[..., 0])
    derivatives = [
        np.abs(cv2.Sobel(lightness, cv2.CV_64F, 1, 0, ksize=3)),
        np.abs(cv2.Sobel(lightness, cv2.CV_64F, 0, 1, ksize=3)),
        np.abs(cv2.Laplacian(lightness, cv2.CV_64F)),
    ]
    planes = [lightness, lab[..., 1], lab[..., 2], *(np.minimum(d, 255) for d in derivatives)]
    return (np.stack(planes) / 255).astype(np.float32)


def kornia_channels(rgb: np.ndarray) -> torch.Tensor:
    """Channels with kornia on the CPU."""
    picture = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255
    lab = kornia.color.rgb_to_lab(picture)
    lightness = kornia.enhance.equalize_clahe(lab[:, :1] / 100, clip_limit=2.0, grid_size=(8, 8))
    gradient = kornia.filters.spatial_gradient(lightness, normalized=False)[:, 0].abs()
    laplacian = kornia.filters.laplacian(lightness, 3).abs()
    return torch.cat([lightness, (lab[:, 1:] + 128) / 255, gradient, laplacian], dim=1)


def measure() -> list[Row]:
    """Time all implementations on one simulated card."""
    use_one_thread()
    rgb = draw_noise_card(np.random.default_rng(0), SIDE, SIDE)
    rgb = cv2.GaussianBlur(rgb, (0, 0), 0.8)
    out = np.empty((6, SIDE, SIDE), np.float32)
    with torch.inference_mode():
        seconds = interleaved_medians(
            {
                "ours": lambda: six_channels(rgb, out),
                "scikit-image filters": lambda: scikit_image_channels(rgb),
                "OpenCV in CV_64F": lambda: double_precision_channels(rgb),
                "kornia": lambda: kornia_channels(rgb),
            },
            rounds=ROUNDS,
        )
    bounds = {"scikit-image filters": 13.0, "OpenCV in CV_64F": 2.4, "kornia": 6.0}
    return [
        Row(f"six channels, {SIDE} x {SIDE}, one thread", name, seconds[name] / seconds["ours"], ROUNDS, at_least=bound)
        for name, bound in bounds.items()
    ]
