"""Torch channels against OpenCV: every color, any size, and the GPU if there is one."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.preprocessing.channels import six_channels
from engine.preprocessing.channels_torch import clahe, lab, six_channels_batch, six_channels_torch


def textured(height, width, seed, smooth=1.0):
    random = np.random.default_rng(seed)
    low, high = sorted(random.integers(0, 256, 2))
    noise = random.integers(low, high + 1, (height, width, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), smooth)


def colors_with_red(red):
    green, blue = np.meshgrid(np.arange(256), np.arange(256), indexing="ij")
    return np.stack([np.full_like(green, red), green, blue], axis=-1).astype(np.uint8)


def assert_every_color_equals_opencv_s(device):
    for red in range(256):
        rgb = colors_with_red(red)
        result = torch.stack(lab(torch.from_numpy(rgb).to(device)), dim=-1).cpu().numpy()
        np.testing.assert_array_equal(result, cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB))


def test_lab_is_opencv_s_for_all_2_to_the_24_colors():
    assert_every_color_equals_opencv_s("cpu")


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(9, 460),
    width=st.integers(9, 460),
    seed=st.integers(0, 2**31),
    smooth=st.sampled_from([0.3, 1, 4]),
)
def test_clahe_is_opencv_s_on_any_size(height, width, seed, smooth):
    lightness = textured(height, width, seed, smooth)[..., 0]
    result = clahe(torch.from_numpy(lightness.astype(np.int32))[None])[0].numpy()
    np.testing.assert_array_equal(result, cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(lightness))


@pytest.mark.parametrize(("height", "width"), [(448, 448), (97, 61), (9, 9)])
def test_all_six_channels_are_the_cpu_s(height, width):
    pictures = [textured(height, width, seed) for seed in range(3)]
    result = six_channels_torch(torch.from_numpy(np.stack(pictures))).numpy()
    np.testing.assert_allclose(result, np.stack([six_channels(picture) for picture in pictures]), atol=1e-6)


def test_a_batch_on_the_cpu_goes_through_opencv():
    pictures = np.stack([textured(64, 48, seed) for seed in range(2)])
    batch = six_channels_batch(torch.from_numpy(pictures)).numpy()
    np.testing.assert_array_equal(batch, np.stack([six_channels(picture) for picture in pictures]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here: the channels on the GPU are NOT tested")
def test_on_a_gpu_lab_is_exact_and_clahe_within_one_level_and_derivatives_within_a_ten_thousandth():
    assert_every_color_equals_opencv_s("cuda")
    pictures = torch.from_numpy(np.stack([textured(448, 448, seed) for seed in range(8)]))
    on_gpu = six_channels_batch(pictures.cuda()).cpu()
    on_cpu = six_channels_batch(pictures)
    assert (on_gpu[:, 0] - on_cpu[:, 0]).abs().max() <= 1.001 / 255
    torch.testing.assert_close(on_gpu[:, 1:3], on_cpu[:, 1:3], atol=1e-7, rtol=0)
    equalised = (on_gpu[:, 0] * 255).round().byte().numpy()
    for lightness, derivatives in zip(equalised, on_gpu[:, 3:].numpy(), strict=True):
        for order, result in zip([(1, 0), (0, 1)], derivatives, strict=False):
            sobel = np.minimum(np.abs(cv2.Sobel(lightness, cv2.CV_64F, *order, ksize=3)), 255) / 255
            np.testing.assert_allclose(result, sobel, atol=1e-4)
        laplacian = np.minimum(np.abs(cv2.Laplacian(lightness, cv2.CV_64F, ksize=1)), 255) / 255
        np.testing.assert_allclose(derivatives[2], laplacian, atol=1e-4)
