"""Six input channels of a batch on its device: OpenCV on the CPU, torch on the GPU.

The torch path repeats OpenCV's arithmetic step by step, so that both devices give the same numbers: the integer LAB
tables, CLAHE with the same padding, clipping and interpolation, reflect-101 borders. OpenCV is the oracle of the tests.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.preprocessing.channels import CHANNELS, CLIP_LIMIT, TILES, six_channels

LEVELS = 256
# OpenCV's 8-bit LAB: linear light in 11 bits, cube roots in 15 bits, matrix coefficients in 12 bits.
LINEAR_SCALE = 255 * 8
CUBE_ROOT_BITS = 15
COEFFICIENT_BITS = 12
CUBE_ROOT_ENTRIES = 256 * 3 // 2 * 8
RGB_TO_XYZ_D65 = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
WHITE_D65 = (0.950456, 1.0, 1.088754)


def six_channels_batch(rgb: Tensor) -> Tensor:
    """Derive the model's input channels from a batch of pictures; see `channels.six_channels`.

    rgb      (B, H, W, 3) uint8 on any device
    returns  (B, 6, H, W) float32 in [0, 1] on the same device
    """
    if rgb.device.type == "cpu":
        channels = np.empty((len(rgb), len(CHANNELS), *rgb.shape[1:3]), np.float32)
        for picture, out in zip(rgb.numpy(), channels, strict=True):
            six_channels(picture, out)
        return torch.from_numpy(channels)
    return six_channels_torch(rgb)


def six_channels_torch(rgb: Tensor) -> Tensor:
    """Compute `six_channels_batch` in torch operations on any device; H and W are at least 9 pixels."""
    lightness, a, b = lab(rgb)
    lightness = clahe(lightness)
    planes = [lightness, a.float(), b.float(), *_derivatives(lightness)]
    return torch.stack(planes, dim=1).div_(255)


def lab(rgb: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Convert RGB to OpenCV's 8-bit LAB, bit-exact for every color.

    rgb      (..., 3) uint8
    returns  L, a, b, each (...) int32 in [0, 255]
    """
    linear_table, cube_roots, coefficients = _lab_tables(rgb.device)
    red, green, blue = linear_table[rgb.int()].unbind(-1)
    x, y, z = (cube_roots[_descale(red * c[0] + green * c[1] + blue * c[2], COEFFICIENT_BITS)] for c in coefficients)
    middle = 128 << CUBE_ROOT_BITS
    lightness_shift = -((16 * 255 * (1 << CUBE_ROOT_BITS) + 50) // 100)
    lightness = _descale((116 * 255 + 50) // 100 * y + lightness_shift, CUBE_ROOT_BITS)
    a = _descale(500 * (x - y) + middle, CUBE_ROOT_BITS)
    b = _descale(200 * (y - z) + middle, CUBE_ROOT_BITS)
    return lightness.clamp_(0, 255), a.clamp_(0, 255), b.clamp_(0, 255)


def clahe(lightness: Tensor) -> Tensor:
    """Apply OpenCV's contrast-limited adaptive histogram equalization, clip limit 2.0, 8 x 8 tiles.

    lightness  (B, H, W) integers in [0, 255]
    returns    (B, H, W) float32, whole numbers in [0, 255]
    """
    height, width = lightness.shape[1:]
    padded = _pad_to_tiles(lightness)
    tile_height, tile_width = padded.shape[1] // TILES, padded.shape[2] // TILES
    tables = _equalization_tables(padded, tile_height, tile_width)
    above, below, down = _neighbor_tiles(height, tile_height, lightness.device)
    before, after, across = _neighbor_tiles(width, tile_width, lightness.device)
    picture_offset = torch.arange(len(lightness), device=lightness.device)[:, None, None] * (TILES * TILES * LEVELS)
    level = lightness + picture_offset

    def equalized(row: Tensor, column: Tensor) -> Tensor:
        return tables.take(level + ((row[:, None] * TILES + column) * LEVELS))

    # Products and sums in OpenCV's order, each rounded to float32: a fused multiply-add would differ by one level.
    upper = equalized(above, before) * (1 - across) + equalized(above, after) * across
    lower = equalized(below, before) * (1 - across) + equalized(below, after) * across
    return (upper * (1 - down)[:, None] + lower * down[:, None]).round_().clamp_(0, 255)


def _descale(values: Tensor, bits: int) -> Tensor:
    """Divide by 2^bits, rounding half up, as OpenCV's fixed-point code does."""
    return (values + (1 << (bits - 1))) >> bits


@cache
def _lab_tables(device: torch.device) -> tuple[Tensor, Tensor, list[list[int]]]:
    """Return the linear light of each 8-bit value, its cube roots, and the matrix, all in OpenCV's fixed point."""
    value = np.arange(LEVELS) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    # OpenCV rounds the cube roots to single precision first; without this step two of the entries differ.
    light = np.arange(CUBE_ROOT_ENTRIES) / LINEAR_SCALE
    root = np.where(light < 216 / 24389, light * (841 / 108) + 16 / 116, np.cbrt(light)).astype(np.float32)
    matrix = np.array(RGB_TO_XYZ_D65) / np.array(WHITE_D65)[:, None]
    return (
        torch.from_numpy(np.rint(LINEAR_SCALE * linear).astype(np.int32)).to(device),
        torch.from_numpy(np.rint((1 << CUBE_ROOT_BITS) * root).astype(np.int32)).to(device),
        np.rint(matrix * (1 << COEFFICIENT_BITS)).astype(int).tolist(),
    )


def _pad_to_tiles(lightness: Tensor) -> Tensor:
    """Pad to a multiple of the tiles as OpenCV does: if one axis needs padding, a divisible one gets a full step."""
    height, width = lightness.shape[1:]
    if height % TILES == 0 and width % TILES == 0:
        return lightness
    padding = (0, TILES - width % TILES, 0, TILES - height % TILES)
    return F.pad(lightness[:, None].float(), padding, mode="reflect")[:, 0].to(lightness.dtype)


def _equalization_tables(lightness: Tensor, tile_height: int, tile_width: int) -> Tensor:
    """Return each tile's mapping of the 256 levels: (B * 64 * 256,) float32, whole numbers in [0, 255]."""
    count = len(lightness)
    pixels = tile_height * tile_width
    row = torch.arange(lightness.shape[1], device=lightness.device) // tile_height
    column = torch.arange(lightness.shape[2], device=lightness.device) // tile_width
    picture = torch.arange(count, device=lightness.device)[:, None, None]
    cell = (picture * TILES + row[:, None]) * TILES + column
    bins = (cell * LEVELS + lightness).flatten()
    histogram = torch.bincount(bins, minlength=count * TILES * TILES * LEVELS).view(-1, LEVELS)
    histogram = _clip_histogram(histogram, limit=max(int(CLIP_LIMIT * pixels / LEVELS), 1))
    scale = torch.tensor(255, dtype=torch.float32) / pixels
    return (histogram.cumsum(dim=1).float() * scale.item()).round_().clamp_(0, 255).flatten()


def _clip_histogram(histogram: Tensor, *, limit: int) -> Tensor:
    """Clip each bin at the limit and redistribute the excess: evenly first, then the remainder at even steps."""
    clipped = histogram.clamp(max=limit)
    excess = (histogram - clipped).sum(dim=1, keepdim=True)
    per_bin = excess // LEVELS
    remainder = excess - per_bin * LEVELS
    step = (LEVELS // remainder.clamp(min=1)).clamp_(min=1)
    level = torch.arange(LEVELS, device=histogram.device)
    extra = (level % step == 0) & (level // step < remainder)
    return clipped + per_bin + extra


def _neighbor_tiles(length: int, tile: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return, for each pixel along one axis, the tile before, the tile after and the float32 weight of the latter."""
    inverse = torch.tensor(1.0, dtype=torch.float32) / tile
    position = torch.arange(length, dtype=torch.float32) * inverse - 0.5
    before = position.floor()
    weight = position - before
    first = before.long()
    return first.clamp(min=0).to(device), (first + 1).clamp(max=TILES - 1).to(device), weight.to(device)


def _derivatives(lightness: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return |Sobel x|, |Sobel y| and |Laplacian| of (B, H, W) float32, saturated at 255; reflect-101 borders."""
    padded = F.pad(lightness[:, None], (1, 1, 1, 1), mode="reflect")[:, 0]
    above, middle, below = padded[:, :-2], padded[:, 1:-1], padded[:, 2:]
    smoothed = above + 2 * middle + below
    sobel_x = smoothed[:, :, 2:] - smoothed[:, :, :-2]
    difference = below - above
    sobel_y = difference[:, :, :-2] + 2 * difference[:, :, 1:-1] + difference[:, :, 2:]
    laplacian = middle[:, :, :-2] + middle[:, :, 2:] + above[:, :, 1:-1] + below[:, :, 1:-1] - 4 * lightness
    return tuple(d.abs_().clamp_(max=255) for d in (sobel_x, sobel_y, laplacian))  # type: ignore[return-value]
