"""Datasets and caches work in spawned worker processes, as on Windows, macOS and with Python 3.14."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from engine.config import Config
from engine.data.dataset import AuxiliaryInputs, CardDataset
from engine.data.measurement_cache import FEATURE_SPEC, TARGET_SPEC, MeasurementCache
from engine.data.picture_cache import PixelCache
from engine.data.region_cache import RegionCache
from engine.data.selection import with_pictures


@pytest.fixture(scope="module")
def pictures(cards):
    return [side for card in cards for side in (card.front, card.back) if side]


@pytest.fixture(scope="module")
def caches(pictures, prepared):
    """All caches of a run, filled."""
    pixels = PixelCache(prepared, pictures, 64)
    list(pixels.fill())
    measurements = [MeasurementCache(spec, prepared, pictures, pixels) for spec in (TARGET_SPEC, FEATURE_SPEC)]
    auxiliary = [RegionCache(prepared, pictures, pixels), *measurements]
    for cache in auxiliary:
        list(cache.fill())
    return pixels, *auxiliary


def read(cache, pictures):
    """Values of all pictures."""
    return [np.asarray(cache[path]) for path in pictures]


@pytest.mark.slow
def test_a_filled_cache_is_read_equally_in_a_spawned_process(caches, pictures):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        for cache in caches:
            values = pool.submit(read, cache, pictures).result(timeout=120)
            np.testing.assert_array_equal(values, read(cache, pictures))


def test_a_pickled_cache_contains_no_pixels(caches, pictures):
    pixels, regions, *_ = caches
    for cache in (pixels, regions):
        pickled = pickle.dumps(cache)
        assert len(pickled) < cache[pictures[0]].nbytes * len(pictures) / 10
        assert not pickle.loads(pickled)[pictures[0]].flags.writeable


def test_an_unpickled_cache_can_be_filled_again(caches, pictures):
    for cache in caches:
        assert list(pickle.loads(pickle.dumps(cache)).fill()) == list(cache.fill()) == []


@pytest.mark.slow
def test_spawned_workers_load_the_same_cards_as_this_process(cards, caches):
    pixels, *auxiliary = caches
    config = Config(image_size=64, device="cpu", regions=True, use_measurements=True)
    dataset = CardDataset(
        with_pictures(cards, pixels)[0], pixels, config, training=True, auxiliary=AuxiliaryInputs(*auxiliary)
    )
    chunks = [[(1, index, index) for index in range(start, start + 4)] for start in (0, 4)]
    local, spawned = (
        [*DataLoader(dataset, batch_sampler=chunks, num_workers=number, multiprocessing_context=context)]
        for number, context in ((0, None), (1, "spawn"))
    )
    for expected, batch in zip(local, spawned, strict=True):
        assert expected.keys() == batch.keys()
        for name in expected:
            torch.testing.assert_close(batch[name], expected[name], rtol=0, atol=0, equal_nan=True)
