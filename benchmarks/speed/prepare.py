"""Preparation of a JPEG of 1512 x 2016 with a known quad to six channels at 448, and detection; one thread."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import cv2
import numpy as np
from skimage import io, transform

from benchmarks.harness import Row, interleaved_medians, use_one_thread
from benchmarks.speed.cache import simulated_photos
from benchmarks.speed.channels import double_precision_channels, scikit_image_channels
from engine.detection.find_card import find_card
from engine.detection.read_and_find import canvas_from_quad
from engine.image.quads import side_lengths
from engine.image.read import read_picture
from engine.preprocessing.channels import six_channels

SIDE = 448
ROUNDS = 15
ASPECT = 63 / 88
JPEG_QUALITY = 92
MIN_CARD_PX = 1650


def _decoded(path: Path) -> np.ndarray:
    """Decoding alone, the lower limit."""
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB))


def _homography(quad: np.ndarray, height: int, width: int) -> np.ndarray:
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32) - np.float32(0.5)
    return cv2.getPerspectiveTransform(quad.astype(np.float32), corners)


def _canvas(card: np.ndarray) -> np.ndarray:
    canvas = np.zeros((SIDE, SIDE, 3), np.uint8)
    x = (SIDE - card.shape[1]) // 2
    canvas[:, x : x + card.shape[1]] = card
    return canvas


def scikit_image_style(path: Path, quad: np.ndarray) -> np.ndarray:
    """Read, warp to the card's native size, resize, and compute the channels at 448, all with scikit-image."""
    card = _warped_by_scikit_image(path, quad)
    small = transform.resize(card, (SIDE, round(SIDE * ASPECT)), anti_aliasing=True)
    return scikit_image_channels(_canvas(np.rint(small * 255).astype(np.uint8)))


def scikit_image_native_style(path: Path, quad: np.ndarray) -> np.ndarray:
    """As in the training history: warp to native size, compute the channels there, resize each without smoothing."""
    channels = scikit_image_channels(np.rint(_warped_by_scikit_image(path, quad) * 255).astype(np.uint8))
    return np.stack([transform.resize(channel, (SIDE, SIDE), anti_aliasing=False) for channel in channels])


def _warped_by_scikit_image(path: Path, quad: np.ndarray) -> np.ndarray:
    height = round(float(np.linalg.norm(quad[3] - quad[0])))
    width = round(height * ASPECT)
    inverse = transform.ProjectiveTransform(np.linalg.inv(_homography(quad, height, width)))
    return np.asarray(transform.warp(io.imread(path), inverse, output_shape=(height, width)))


def opencv_native_style(path: Path, quad: np.ndarray) -> np.ndarray:
    """Warp to the card's native size, compute 64-bit channels there, and resize each of them."""
    rgb = _decoded(path)
    height = round(float(np.linalg.norm(quad[3] - quad[0])))
    width = round(height * ASPECT)
    card = cv2.warpPerspective(rgb, _homography(quad, height, width), (width, height))
    channels = double_precision_channels(card)
    return np.stack([cv2.resize(channel, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for channel in channels])


def opencv_resize_first_style(path: Path, quad: np.ndarray) -> np.ndarray:
    """Warp to the card's native size, resize by area, and compute 64-bit channels at 448."""
    rgb = _decoded(path)
    height = round(float(np.linalg.norm(quad[3] - quad[0])))
    width = round(height * ASPECT)
    card = cv2.warpPerspective(rgb, _homography(quad, height, width), (width, height), flags=cv2.INTER_CUBIC)
    small = cv2.resize(card, (round(SIDE * ASPECT), SIDE), interpolation=cv2.INTER_AREA)
    return double_precision_channels(_canvas(small))


def supersampled_reference(path: Path, quad: np.ndarray, height: int, width: int) -> np.ndarray:
    """Reference: ten times ten samples per pixel of the result, averaged by area."""
    rgb = _decoded(path)
    homography = _homography(quad, height * 10, width * 10)
    fine = cv2.warpPerspective(rgb, homography, (width * 10, height * 10), borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)


def upright_photo() -> tuple[np.ndarray, np.ndarray]:
    """The first photo in which the card fills most of the frame, with its quad."""
    for rgb, quad in simulated_photos():
        sides = side_lengths(quad)
        if sides.max() > MIN_CARD_PX and abs(sides.min() / sides.max() - ASPECT) < 0.05:
            return rgb, quad
    raise AssertionError("unreachable: the photos do not end")


def measure() -> list[Row]:
    """Time all implementations on one simulated photo."""
    use_one_thread()
    photo, quad = upright_photo()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        cv2.imwrite(str(path), cv2.cvtColor(photo, cv2.COLOR_RGB2BGR), options)
        rgb = read_picture(path)
        out = np.empty((6, SIDE, SIDE), np.float32)
        seconds = interleaved_medians(
            {
                "decode": lambda: _decoded(path),
                "ours": lambda: six_channels(canvas_from_quad(path, quad, size=SIDE), out),
                "find": lambda: find_card(rgb),
                "scikit-image style": lambda: scikit_image_style(path, quad),
                "scikit-image style at native size": lambda: scikit_image_native_style(path, quad),
                "OpenCV style at native size": lambda: opencv_native_style(path, quad),
                "OpenCV style, resized first": lambda: opencv_resize_first_style(path, quad),
            },
            rounds=ROUNDS,
        )
        canvas = canvas_from_quad(path, quad, size=SIDE)
        columns = np.nonzero(canvas.any(axis=(0, 2)))[0]
        rows = np.nonzero(canvas.any(axis=(1, 2)))[0]
        card = canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        decibels = cv2.PSNR(card, supersampled_reference(path, quad, *card.shape[:2]))
    what = "JPEG 1512 x 2016 to six channels at 448, one thread"
    bounds = {
        "scikit-image style": 16.0,
        "scikit-image style at native size": 16.0,
        "OpenCV style at native size": 9.0,
        "OpenCV style, resized first": 2.0,
    }
    competitors = [
        Row(what, name, seconds[name] / seconds["ours"], ROUNDS, at_least=bound) for name, bound in bounds.items()
    ]
    return [
        *competitors,
        Row(what, "bare JPEG decoding", seconds["ours"] / seconds["decode"], ROUNDS, at_most=1.8),
        Row("the rectified card at 448, decibels", "endless supersampling", min(decibels, math.inf), 1, at_least=45),
        Row("finding the quad in it", "bare JPEG decoding", seconds["find"] / seconds["decode"], ROUNDS, at_most=1.5),
    ]
