"""The six channels of a batch of pictures, on the device where the batch lies: OpenCV on the CPU, torch on the GPU.

The torch path repeats OpenCV's own arithmetic step by step, so that a model trained on one device sees the same
numbers on the other: its integer LAB tables, its CLAHE with the same padding, clipping and interpolation, its
reflect-101 borders. OpenCV is the oracle of the tests.
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
    """The model's input channels of a batch of pictures; see `channels.six_channels` for what they are.

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
    """six_channels_batch in torch operations alone, whatever the device; any H and W of at least 9 pixels."""
    lightness, a, b = lab(rgb)
    lightness = clahe(lightness)
    planes = [lightness, a.float(), b.float(), *_derivatives(lightness)]
    return torch.stack(planes, dim=1).div_(255)


def lab(rgb: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """OpenCV's 8-bit RGB to LAB, equal for every colour.

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
    """OpenCV's contrast-limited adaptive histogram equalisation, clip limit 2.0, 8 x 8 tiles.

    lightness  (B, H, W) integers in [0, 255]
    returns    (B, H, W) float32, whole numbers in [0, 255]
    """
    height, width = lightness.shape[1:]
    padded = _padded_to_tiles(lightness)
    tile_height, tile_width = padded.shape[1] // TILES, padded.shape[2] // TILES
    curves = _equalising_curves(padded, tile_height, tile_width)
    above, below, down = _neighbour_tiles(height, tile_height, lightness.device)
    before, after, across = _neighbour_tiles(width, tile_width, lightness.device)
    picture = torch.arange(len(lightness), device=lightness.device)[:, None, None] * (TILES * TILES * LEVELS)
    level = lightness + picture

    def mapped(row: Tensor, column: Tensor) -> Tensor:
        return curves.take(level + ((row[:, None] * TILES + column) * LEVELS))

    # Products and sums in OpenCV's order, each rounded to float32: a fused multiply-add would differ by one level.
    upper = mapped(above, before) * (1 - across) + mapped(above, after) * across
    lower = mapped(below, before) * (1 - across) + mapped(below, after) * across
    return (upper * (1 - down)[:, None] + lower * down[:, None]).round_().clamp_(0, 255)


def _descale(values: Tensor, bits: int) -> Tensor:
    """Divide by 2^bits, rounding half up, as OpenCV's fixed-point code does."""
    return (values + (1 << (bits - 1))) >> bits


@cache
def _lab_tables(device: torch.device) -> tuple[Tensor, Tensor, list[list[int]]]:
    """Linear light of each 8-bit value, cube roots of linear light, and the matrix, all in OpenCV's fixed point."""
    value = np.arange(LEVELS) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    # OpenCV rounds the cube roots to single precision first: two of the entries fall the other way without it.
    light = np.arange(CUBE_ROOT_ENTRIES) / LINEAR_SCALE
    root = np.where(light < 216 / 24389, light * (841 / 108) + 16 / 116, np.cbrt(light)).astype(np.float32)
    matrix = np.array(RGB_TO_XYZ_D65) / np.array(WHITE_D65)[:, None]
    return (
        torch.from_numpy(np.rint(LINEAR_SCALE * linear).astype(np.int32)).to(device),
        torch.from_numpy(np.rint((1 << CUBE_ROOT_BITS) * root).astype(np.int32)).to(device),
        np.rint(matrix * (1 << COEFFICIENT_BITS)).astype(int).tolist(),
    )


def _padded_to_tiles(lightness: Tensor) -> Tensor:
    """Extend to a whole number of tiles as OpenCV does: where one side needs it, the other gets a full extra step."""
    height, width = lightness.shape[1:]
    if height % TILES == 0 and width % TILES == 0:
        return lightness
    more = (0, TILES - width % TILES, 0, TILES - height % TILES)
    return F.pad(lightness[:, None].float(), more, mode="reflect")[:, 0].to(lightness.dtype)


def _equalising_curves(lightness: Tensor, tile_height: int, tile_width: int) -> Tensor:
    """Where each tile sends each level: (B * 64 * 256,) float32, whole numbers in [0, 255]."""
    count = len(lightness)
    pixels = tile_height * tile_width
    row = torch.arange(lightness.shape[1], device=lightness.device) // tile_height
    column = torch.arange(lightness.shape[2], device=lightness.device) // tile_width
    picture = torch.arange(count, device=lightness.device)[:, None, None]
    cell = (picture * TILES + row[:, None]) * TILES + column
    bins = (cell * LEVELS + lightness).flatten()
    histogram = torch.bincount(bins, minlength=count * TILES * TILES * LEVELS).view(-1, LEVELS)
    histogram = _redistributed(histogram, limit=max(int(CLIP_LIMIT * pixels / LEVELS), 1))
    scale = torch.tensor(255, dtype=torch.float32) / pixels
    return (histogram.cumsum(dim=1).float() * scale.item()).round_().clamp_(0, 255).flatten()


def _redistributed(histogram: Tensor, *, limit: int) -> Tensor:
    """Cut each bin at the limit and spread what was cut: evenly first, the rest one by one at even steps."""
    clipped = histogram.clamp(max=limit)
    excess = (histogram - clipped).sum(dim=1, keepdim=True)
    evenly = excess // LEVELS
    rest = excess - evenly * LEVELS
    step = (LEVELS // rest.clamp(min=1)).clamp_(min=1)
    level = torch.arange(LEVELS, device=histogram.device)
    one_more = (level % step == 0) & (level // step < rest)
    return clipped + evenly + one_more


def _neighbour_tiles(length: int, tile: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """For each pixel along one axis: the tile before it, the tile after it, and how far it is on the way (float32)."""
    inverse = torch.tensor(1.0, dtype=torch.float32) / tile
    position = torch.arange(length, dtype=torch.float32) * inverse - 0.5
    before = position.floor()
    share = position - before
    first = before.long()
    return first.clamp(min=0).to(device), (first + 1).clamp(max=TILES - 1).to(device), share.to(device)


def _derivatives(lightness: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """|Sobel x|, |Sobel y| and |Laplacian| of (B, H, W) float32, saturated at 255; reflect-101 borders."""
    padded = F.pad(lightness[:, None], (1, 1, 1, 1), mode="reflect")[:, 0]
    above, middle, below = padded[:, :-2], padded[:, 1:-1], padded[:, 2:]
    down_smoothed = above + 2 * middle + below
    sobel_x = down_smoothed[:, :, 2:] - down_smoothed[:, :, :-2]
    change_down = below - above
    sobel_y = change_down[:, :, :-2] + 2 * change_down[:, :, 1:-1] + change_down[:, :, 2:]
    laplacian = middle[:, :, :-2] + middle[:, :, 2:] + above[:, :, 1:-1] + below[:, :, 1:-1] - 4 * lightness
    return tuple(d.abs_().clamp_(max=255) for d in (sobel_x, sobel_y, laplacian))  # type: ignore[return-value]
