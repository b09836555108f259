"""What loads cards is handed over to processes that are started anew, as on Windows, macOS and with Python 3.14."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from engine.config import Config
from engine.data.dataset import Beside, Cards
from engine.data.measurement_cache import FEATURES, TARGETS, MeasuredSides
from engine.data.picture_cache import PixelCache
from engine.data.region_cache import RegionCache
from engine.data.selection import usable


@pytest.fixture(scope="module")
def pictures(cards):
    return [side for card in cards for side in (card.front, card.back) if side]


@pytest.fixture(scope="module")
def maps(pictures, prepared):
    """Each of those that a run may fill, filled."""
    pixels = PixelCache(prepared, pictures, 64)
    list(pixels.fill())
    measured = [MeasuredSides(what, prepared, pictures, pixels) for what in (TARGETS, FEATURES)]
    beside = [RegionCache(prepared, pictures, pixels), *measured]
    for each in beside:
        list(each.fill())
    return pixels, *beside


def read(each, pictures):
    """What a map holds of each picture."""
    return [np.asarray(each[path]) for path in pictures]


@pytest.mark.slow
def test_a_filled_map_is_read_in_a_process_of_its_own_as_here(maps, pictures):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        for each in maps:
            there = pool.submit(read, each, pictures).result(timeout=120)
            np.testing.assert_array_equal(there, read(each, pictures))


def test_the_pixels_stay_in_their_file_when_a_map_is_handed_over(maps, pictures):
    pixels, regions, *_ = maps
    for each in (pixels, regions):
        handed = pickle.dumps(each)
        assert len(handed) < each[pictures[0]].nbytes * len(pictures) / 10
        assert not pickle.loads(handed)[pictures[0]].flags.writeable


def test_a_map_that_was_handed_over_can_be_filled_again(maps, pictures):
    for each in maps:
        assert list(pickle.loads(pickle.dumps(each)).fill()) == list(each.fill()) == []


@pytest.mark.slow
def test_cards_are_loaded_by_processes_started_anew_as_by_this_one(cards, maps):
    pixels, *beside = maps
    config = Config(image_size=64, device="cpu", regions=True, measured_inputs=True)
    shown = Cards(usable(cards, pixels)[0], pixels, config, training=True, beside=Beside(*beside))
    chunks = [[(1, place, place) for place in range(start, start + 4)] for start in (0, 4)]
    ours, theirs = (
        [*DataLoader(shown, batch_sampler=chunks, num_workers=number, multiprocessing_context=context)]
        for number, context in ((0, None), (1, "spawn"))
    )
    for here, there in zip(ours, theirs, strict=True):
        assert here.keys() == there.keys()
        for name in here:
            torch.testing.assert_close(there[name], here[name], rtol=0, atol=0, equal_nan=True)
