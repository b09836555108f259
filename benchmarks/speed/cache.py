"""Picture cache: reading a cached pair against decoding its pictures, and preparing on two threads against one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import cv2
import numpy as np

from benchmarks.harness import Row, interleaved_medians, use_one_thread
from engine.data.picture_cache import PixelCache
from engine.image.read import read_picture
from engine.simulate.cards import CardSimulator, SimulationConfig

PICTURES = 16
SIDE = 384
ROUNDS = 7
READS = 200
# Without added noise a simulated photo has 0.6 megabyte and decodes faster than a real one. With this noise it has 1.0,
# like eight real photos and scans scaled to this size (0.6 to 1.1, median 1.0).
NOISE_LEVELS = 8


def simulated_photos() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Hand-held photos of 1512 x 2016 with the card's quad, with sensor noise."""
    random, simulator = np.random.default_rng(11), CardSimulator(SimulationConfig(11, kinds=(("photo", 1.0),)))
    for index in count():
        photo = simulator.card(index).front
        scale = 2016 / photo.rgb.shape[0]
        rgb = cv2.resize(photo.rgb, (1512, 2016), interpolation=cv2.INTER_CUBIC)
        noise = random.normal(0, NOISE_LEVELS, rgb.shape)
        yield np.clip(rgb + noise, 0, 255).astype(np.uint8), (photo.quad + 0.5) * scale - 0.5


def write_photos(folder: Path) -> list[Path]:
    """Write simulated JPEG photos of 1512 x 2016 pixels, with one card each."""
    paths = [folder / f"{number}.jpg" for number in range(PICTURES)]
    for path, (rgb, _) in zip(paths, simulated_photos(), strict=False):
        cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])
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
