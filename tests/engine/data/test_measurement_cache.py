"""Targets measured once: against the borders the cards were drawn with, resumed after a kill, flipped with the card."""

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
import torch
from scipy.stats import binomtest

from engine.cards.pairs import CardPair
from engine.config import Config
from engine.data import measurement_cache as measured_module
from engine.data.auxiliary import beside_pixels
from engine.data.dataset import Cards
from engine.data.measurement_cache import TARGETS, MeasuredSides, MeasuringFailed
from engine.data.picture_cache import PixelCache
from engine.data.selection import usable
from engine.events import Notice, Progress
from engine.measure.side.targets import AuxiliaryTargets
from engine.process_pool import processes
from tests.engine.measure.card_factory import DrawnCard, box

HOUSE = Path(__file__).parents[3]
# Borders left, top, right, bottom in millimetres, one card each: front, back.
FRONTS = [(2.4, 3.6, 3.6, 2.4), (4.0, 3.0, 2.0, 3.0), None]
BACKS = [(3.0, 3.0, 3.0, 3.0), None, (2.0, 2.0, 4.0, 4.0)]
# A dark field in the left half of every picture tells whether it is mirrored.
FIELD = [(box(8, 20, 25, 60), (20, 20, 20))]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Three cards whose borders are known, and their prepared pictures."""
    folder = tmp_path_factory.mktemp("drawn")

    def picture(name, borders, place):
        path = folder / f"{name}.png"
        card = DrawnCard(px_per_mm=6.0, borders_mm=borders, patches=FIELD)
        assert cv2.imwrite(str(path), card.picture(seed=place)[:, :, ::-1])
        return path

    cards = [
        CardPair(f"{n}", picture(f"f{n}", front, n), picture(f"b{n}", back, n + 3), 9, split="train")
        for n, (front, back) in enumerate(zip(FRONTS, BACKS, strict=True))
    ]
    pixels = PixelCache(folder / "cache", [side for card in cards for side in (card.front, card.back)], 64)
    list(pixels.fill())
    assert not pixels.refused
    return cards, pixels, folder / "cache"


def pictures_of(cards):
    return [side for card in cards for side in (card.front, card.back)]


def filled(drawn, folder=None, what=TARGETS):
    cards, pixels, cache = drawn
    targets = MeasuredSides(what, folder or cache, pictures_of(cards), pixels)
    return targets, list(targets.fill())


def beside(drawn, **settings):
    cards, pixels, folder = drawn
    events, config = [], Config(image_size=64, **settings)
    preparing = beside_pixels(usable(cards, pixels)[0], pixels, config, folder, lambda: False)
    while True:
        try:
            events.append(next(preparing))
        except StopIteration as end:
            return end.value, events, config


def test_each_side_s_targets_are_the_borders_it_was_drawn_with(drawn):
    targets, _ = filled(drawn)
    for card, *sides in zip(drawn[0], FRONTS, BACKS, strict=True):
        for path, borders in zip((card.front, card.back), sides, strict=True):
            told = AuxiliaryTargets(*targets[path])
            if borders is None:
                assert np.isnan([told.left_share, told.top_share]).all()
            else:
                left, top, right, bottom = borders
                assert told.left_share == pytest.approx(left / (left + right), abs=0.015)
                assert told.top_share == pytest.approx(top / (top + bottom), abs=0.015)
            assert told.edge_damage == pytest.approx(0, abs=0.02) or np.isnan(told.edge_damage)


def test_measurements_are_hidden_from_training_by_their_share_and_from_nobody_else(drawn):
    extras, _, config = beside(drawn, measured_inputs=True, measured_targets=False, measured_dropout=0.3)
    cards = usable(drawn[0], drawn[1])[0]
    known = Cards(cards, drawn[1], config, training=False, beside=extras)[0, 0, 0]["measured"]
    training = Cards(cards, drawn[1], config, training=True, beside=extras)
    hidden = []
    for epoch in range(200):
        told = training[epoch, 0, 0]["measured"]
        hidden += told.isnan().all(dim=1).tolist()
        for side in (0, 1):
            assert hidden[side - 2] or torch.equal(told[side].nan_to_num(-1), known[side].nan_to_num(-1))
    assert not known.isnan().all(dim=1).any()
    assert binomtest(sum(hidden), 400, 0.3).pvalue > 1e-3


def test_training_is_given_the_targets_and_a_mirrored_card_s_left_is_its_right(drawn):
    extras, _, config = beside(drawn)
    cards = usable(drawn[0], drawn[1])[0]
    still = Cards(cards, drawn[1], config, training=False, beside=extras)[0, 0, 0]
    np.testing.assert_allclose(still["centering"], [[0.4, 0.6], [0.5, 0.5]], atol=0.015)
    moving = Cards(cards, drawn[1], config, training=True, beside=extras)
    seen = set()
    for epoch in range(20):
        item = moving[epoch, 0, 0]
        left, top = item["centering"][0].tolist()
        dark = item["canvases"][0, 20:44].float().mean(dim=(0, 2))
        mirrored = bool(dark[16:28].mean() > dark[36:48].mean())
        assert left == pytest.approx(0.6 if mirrored else 0.4, abs=0.015)
        assert top == pytest.approx(0.6, abs=0.015)
        seen.add(mirrored)
    assert seen == {True, False}


def test_a_second_fill_measures_nothing_and_a_torn_line_costs_one_picture(drawn, tmp_path):
    once, told = filled(drawn, tmp_path)
    assert told == [(6, 6)]
    assert filled(drawn, tmp_path)[1] == []
    (journal,) = tmp_path.glob("measured_*.jsonl")
    journal.write_bytes(journal.read_bytes()[:-9])
    measured = []
    counted = replace(TARGETS, measure=lambda *job: (measured.append(job), TARGETS.measure(*job))[1])
    again, _ = filled(drawn, tmp_path, counted)
    assert len(measured) == 1
    for path in pictures_of(drawn[0]):
        np.testing.assert_array_equal(again[path], once[path])


def test_a_fill_that_is_killed_goes_on_where_it_was(drawn, tmp_path, monkeypatch):
    monkeypatch.setattr(measured_module, "CHUNK", 2)
    cards, pixels, _ = drawn
    killed = MeasuredSides(TARGETS, tmp_path, pictures_of(cards), pixels).fill()
    assert next(killed) == (2, 6)
    killed.close()
    assert filled(drawn, tmp_path)[1] == [(4, 6), (6, 6)]


@pytest.mark.slow
def test_processes_measure_what_one_measures(drawn, tmp_path, monkeypatch):
    once, _ = filled(drawn)
    monkeypatch.setattr(measured_module, "WORTH_PROCESSES", 1)
    several, _ = filled(drawn, tmp_path)
    for path in pictures_of(drawn[0]):
        np.testing.assert_array_equal(several[path], once[path])


def test_a_measuring_process_that_dies_is_one_sentence(drawn, tmp_path, monkeypatch):
    class Dying:
        def __enter__(self):
            return self

        def __exit__(self, *error): ...

        def map(self, *work):
            raise BrokenProcessPool("a process was terminated")

    monkeypatch.setattr(measured_module, "WORTH_PROCESSES", 1)
    monkeypatch.setattr(measured_module, "processes", Dying)
    with pytest.raises(MeasuringFailed, match=r"measuring the cards ended early.*measured_targets=false"):
        filled(drawn, tmp_path)


def test_nothing_is_measured_where_no_loss_asks_for_it(drawn):
    for settings in ({"beta_edge": 0, "beta_center": 0}, {"measured_targets": False}):
        extras, events, _ = beside(drawn, **settings)
        assert extras.targets is None
        assert events == []
    assert beside(drawn, beta_edge=0)[0].targets is not None


def test_it_is_said_on_how_many_cards_each_target_was_measured(drawn, tmp_path):
    shutil.rmtree(tmp_path)
    _, events, _ = beside((*drawn[:2], drawn[2]))
    (notice,) = [event for event in events if isinstance(event, Notice)]
    assert notice.text.startswith("of 3 cards edge damage was measured on ")
    assert notice.text.endswith(", centering on 3; only those teach it")
    assert all(event.step == "measuring" for event in events if isinstance(event, Progress))


SPAWNING = """
import os, time
from engine.processes import processes
if __name__ == "__main__":
    with processes() as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 60).result()
"""


# A run that notes ctrl-C and goes on to the end of its chunk.
DEAF = """
import signal
from engine.processes import processes
if __name__ == "__main__":
    signal.signal(signal.SIGINT, lambda *_: None)
    print("starting", flush=True)
    with processes() as pool:
        print(list(pool.map(abs, [-1, -2, -3, -4])), flush=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
"""


@pytest.mark.slow
def test_what_a_measuring_process_loads_is_free_of_torch():
    script = "import sys, engine.process_pool, engine.measure.side.targets; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], cwd=HOUSE, check=True)


@pytest.mark.slow
def test_a_measuring_process_leaves_ctrl_c_to_its_run():
    with processes() as pool:
        pool.submit(os.getpid).result()
        assert pool.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN


@pytest.mark.slow
def test_ctrl_c_while_measuring_processes_load_ends_none_of_them(tmp_path):
    """A terminal sends it to the run and all its processes; these take a second to load, and hear it at any moment."""
    script = tmp_path / "run.py"
    script.write_text(DEAF)
    run = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HOUSE)},
        start_new_session=True,
    )
    assert run.stdout.readline() == "starting\n"
    while run.poll() is None:
        os.killpg(run.pid, signal.SIGINT)
        time.sleep(0.05)
    assert run.communicate() == ("[1, 2, 3, 4]\n", "")


@pytest.mark.slow
def test_measuring_processes_end_with_a_run_that_is_killed(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(SPAWNING)
    run = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(HOUSE)}
    )
    worker = psutil.Process(int(run.stdout.readline()))
    assert worker.is_running()
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    worker.wait(20)
