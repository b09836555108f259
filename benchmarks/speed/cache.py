"""Picture cache: reading a cached pair against decoding its pictures, and preparing on two threads against one."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.harness import Row, interleaved_medians, use_one_thread
from engine.data.picture_cache import PixelCache
from engine.image.read import read_picture
from tools.finder.captures import simulate_capture

HEIGHT, WIDTH = 2016, 1512
PICTURES = 16
SIDE = 384
ROUNDS = 7
READS = 200


def write_photos(folder: Path) -> list[Path]:
    """Write simulated JPEG photos of 1512 x 2016 pixels, with one card each."""
    random = np.random.default_rng(5)
    paths = []
    for number in range(PICTURES):
        capture = simulate_capture(random, height=HEIGHT, width=WIDTH, kind="photo")
        paths.append(folder / f"{number}.jpg")
        cv2.imwrite(str(paths[-1]), cv2.cvtColor(capture.rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])
    return paths


def prepare_all(pictures: Sequence[Path], threads: int) -> None:
    """Fill an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        for _ in PixelCache(Path(folder), list(pictures), SIDE).fill(threads):
            pass


def measure() -> list[Row]:
    """Measure both ratios; OpenCV and torch use one thread, so that only the cache's threads differ."""
    use_one_thread()
    with tempfile.TemporaryDirectory() as folder:
        pictures = write_photos(Path(folder))
        preparing_s = interleaved_medians(
            {"one": lambda: prepare_all(pictures, 1), "two": lambda: prepare_all(pictures, 2)}, rounds=ROUNDS
        )
        cache = PixelCache(Path(folder) / "cache", pictures, SIDE)
        for _ in cache.fill():
            pass
        pair = [path for path in pictures if path in cache][:2]

        def read_cached() -> None:
            for _ in range(READS):
                for path in pair:
                    cache[path].copy()

        def decode() -> None:
            for path in pair:
                read_picture(path)

        reading_s = interleaved_medians({"cached": read_cached, "decoded": decode}, rounds=ROUNDS)
    return [
        Row(
            f"reading a cached pair at {SIDE}",
            "decoding its two JPEGs of 1512 x 2016",
            reading_s["decoded"] / (reading_s["cached"] / READS),
            ROUNDS,
            at_least=250,
        ),
        Row(
            "preparing a snapshot on two threads",
            "on one thread",
            preparing_s["one"] / preparing_s["two"],
            ROUNDS,
            at_least=1.8,
        ),
    ]
