"""Measurements: equal to the drawn borders, resumed after a kill, mirrored with the card."""

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
from engine.data.dataset import CardDataset
from engine.data.measurement_cache import TARGET_SPEC, MeasurementCache, MeasurementFailed
from engine.data.picture_cache import PixelCache
from engine.data.prepare import prepare_auxiliary
from engine.data.selection import with_pictures
from engine.events import Notice, Progress
from engine.measure.side.targets import AuxiliaryTargets
from engine.process_pool import spawn_pool
from tests.engine.measure.card_factory import DrawnCard, box

ROOT = Path(__file__).parents[3]
# Borders left, top, right, bottom in millimeters, one card each: front, back.
FRONTS = [(2.4, 3.6, 3.6, 2.4), (4.0, 3.0, 2.0, 3.0), None]
BACKS = [(3.0, 3.0, 3.0, 3.0), None, (2.0, 2.0, 4.0, 4.0)]
# A dark field in the left half of every picture, to detect mirroring.
FIELD = [(box(8, 20, 30, 64), (20, 20, 20))]


@pytest.fixture(scope="module")
def drawn_cards(tmp_path_factory):
    """Three cards with known borders, and their prepared pictures."""
    folder = tmp_path_factory.mktemp("drawn")

    def picture(name, borders, seed):
        path = folder / f"{name}.png"
        card = DrawnCard(px_per_mm=6.0, borders_mm=borders, patches=FIELD)
        assert cv2.imwrite(str(path), card.picture(seed=seed)[:, :, ::-1])
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


def filled(drawn_cards, folder=None, spec=TARGET_SPEC):
    cards, pixels, cache = drawn_cards
    targets = MeasurementCache(spec, folder or cache, pictures_of(cards), pixels)
    return targets, list(targets.fill())


def prepare(drawn_cards, **settings):
    cards, pixels, folder = drawn_cards
    events, config = [], Config(image_size=64, **settings)
    preparing = prepare_auxiliary(with_pictures(cards, pixels)[0], pixels, config, folder, lambda: False)
    while True:
        try:
            events.append(next(preparing))
        except StopIteration as end:
            return end.value, events, config


def test_each_side_s_targets_are_the_borders_it_was_drawn_with(drawn_cards):
    targets, _ = filled(drawn_cards)
    for card, *sides in zip(drawn_cards[0], FRONTS, BACKS, strict=True):
        for path, borders in zip((card.front, card.back), sides, strict=True):
            measured = AuxiliaryTargets(*targets[path])
            if borders is None:
                assert np.isnan([measured.left_fraction, measured.top_fraction]).all()
            else:
                left, top, right, bottom = borders
                assert measured.left_fraction == pytest.approx(left / (left + right), abs=0.015)
                assert measured.top_fraction == pytest.approx(top / (top + bottom), abs=0.015)
            assert measured.edge_damage == pytest.approx(0, abs=0.02) or np.isnan(measured.edge_damage)


def test_measurement_dropout_hides_its_fraction_in_training_only(drawn_cards):
    auxiliary, _, config = prepare(drawn_cards, use_measurements=True, auxiliary_targets=False, measurement_dropout=0.3)
    cards = with_pictures(drawn_cards[0], drawn_cards[1])[0]
    complete = CardDataset(cards, drawn_cards[1], config, training=False, auxiliary=auxiliary)[0, 0, 0]["measured"]
    training = CardDataset(cards, drawn_cards[1], config, training=True, auxiliary=auxiliary)
    hidden = []
    for epoch in range(200):
        item = training[epoch, 0, 0]["measured"]
        hidden += item.isnan().all(dim=1).tolist()
        for side in (0, 1):
            assert hidden[side - 2] or torch.equal(item[side].nan_to_num(-1), complete[side].nan_to_num(-1))
    assert not complete.isnan().all(dim=1).any()
    assert binomtest(sum(hidden), 400, 0.3).pvalue > 1e-3


def test_the_targets_of_a_mirrored_card_are_mirrored(drawn_cards):
    auxiliary, _, config = prepare(drawn_cards)
    cards = with_pictures(drawn_cards[0], drawn_cards[1])[0]
    validation = CardDataset(cards, drawn_cards[1], config, training=False, auxiliary=auxiliary)[0, 0, 0]
    np.testing.assert_allclose(validation["centering"], [[0.4, 0.6], [0.5, 0.5]], atol=0.015)
    training = CardDataset(cards, drawn_cards[1], config, training=True, auxiliary=auxiliary)
    orientations = set()
    for epoch in range(20):
        item = training[epoch, 0, 0]
        left, top = item["centering"][0].tolist()
        dark = item["canvases"][0, 20:44].float().mean(dim=(0, 2))
        mirrored = bool(dark[16:28].mean() > dark[36:48].mean())
        assert left == pytest.approx(0.6 if mirrored else 0.4, abs=0.015)
        assert top == pytest.approx(0.6, abs=0.015)
        orientations.add(mirrored)
    assert orientations == {True, False}


def test_a_second_fill_measures_nothing_and_a_torn_line_costs_one_picture(drawn_cards, tmp_path):
    once, progress = filled(drawn_cards, tmp_path)
    assert progress == [(6, 6)]
    assert filled(drawn_cards, tmp_path)[1] == []
    (journal,) = tmp_path.glob("measured_*.jsonl")
    journal.write_bytes(journal.read_bytes()[:-9])
    measured = []
    counted = replace(TARGET_SPEC, measure=lambda *job: (measured.append(job), TARGET_SPEC.measure(*job))[1])
    again, _ = filled(drawn_cards, tmp_path, counted)
    assert len(measured) == 1
    for path in pictures_of(drawn_cards[0]):
        np.testing.assert_array_equal(again[path], once[path])


def test_a_killed_fill_is_resumed(drawn_cards, tmp_path, monkeypatch):
    monkeypatch.setattr(measured_module, "CHUNK", 2)
    cards, pixels, _ = drawn_cards
    killed = MeasurementCache(TARGET_SPEC, tmp_path, pictures_of(cards), pixels).fill()
    assert next(killed) == (2, 6)
    killed.close()
    assert filled(drawn_cards, tmp_path)[1] == [(4, 6), (6, 6)]


@pytest.mark.slow
def test_a_pool_measures_the_same_as_one_process(drawn_cards, tmp_path, monkeypatch):
    once, _ = filled(drawn_cards)
    monkeypatch.setattr(measured_module, "MIN_PICTURES_FOR_POOL", 1)
    pooled, _ = filled(drawn_cards, tmp_path)
    for path in pictures_of(drawn_cards[0]):
        np.testing.assert_array_equal(pooled[path], once[path])


def test_a_measuring_process_that_dies_gives_one_sentence(drawn_cards, tmp_path, monkeypatch):
    class Dying:
        def __enter__(self):
            return self

        def __exit__(self, *error): ...

        def map(self, *jobs):
            raise BrokenProcessPool("a process was terminated")

    monkeypatch.setattr(measured_module, "MIN_PICTURES_FOR_POOL", 1)
    monkeypatch.setattr(measured_module, "spawn_pool", Dying)
    with pytest.raises(MeasurementFailed, match=r"measuring the cards ended early.*auxiliary_targets=false"):
        filled(drawn_cards, tmp_path)


def test_nothing_is_measured_if_no_loss_needs_it(drawn_cards):
    for settings in ({"beta_edge": 0, "beta_center": 0}, {"auxiliary_targets": False}):
        auxiliary, events, _ = prepare(drawn_cards, **settings)
        assert auxiliary.targets is None
        assert events == []
    assert prepare(drawn_cards, beta_edge=0)[0].targets is not None


def test_a_notice_counts_the_cards_with_each_target(drawn_cards, tmp_path):
    shutil.rmtree(tmp_path)
    _, events, _ = prepare((*drawn_cards[:2], drawn_cards[2]))
    (notice,) = [event for event in events if isinstance(event, Notice)]
    assert notice.text.startswith("auxiliary targets of 3 cards: edge damage measured on ")
    assert notice.text.endswith(", centering on 3")
    assert all(event.step == "measuring" for event in events if isinstance(event, Progress))


SPAWNING = """
import os, time
from engine.process_pool import spawn_pool
if __name__ == "__main__":
    with spawn_pool() as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 60).result()
"""


# A run that ignores ctrl-C until the end of its chunk.
IGNORING_CTRL_C = """
import signal
from engine.process_pool import spawn_pool
if __name__ == "__main__":
    signal.signal(signal.SIGINT, lambda *_: None)
    print("starting", flush=True)
    with spawn_pool() as pool:
        print(list(pool.map(abs, [-1, -2, -3, -4])), flush=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
"""


@pytest.mark.slow
def test_a_measuring_process_loads_no_torch():
    script = "import sys, engine.process_pool, engine.measure.side.targets; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


@pytest.mark.slow
def test_a_measuring_process_leaves_ctrl_c_to_its_run():
    with spawn_pool() as pool:
        pool.submit(os.getpid).result()
        assert pool.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN


@pytest.mark.slow
def test_ctrl_c_while_measuring_processes_load_ends_none_of_them(tmp_path):
    """A terminal sends it to the run and its workers, which take a second to load and may receive it at any time."""
    script = tmp_path / "run.py"
    script.write_text(IGNORING_CTRL_C)
    run = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    assert run.stdout.readline() == "starting\n"
    while run.poll() is None:
        os.killpg(run.pid, signal.SIGINT)
        time.sleep(0.05)
    assert run.communicate() == ("[1, 2, 3, 4]\n", "")


@pytest.mark.slow
def test_measuring_processes_end_with_a_killed_run(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(SPAWNING)
    run = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    worker = psutil.Process(int(run.stdout.readline()))
    assert worker.is_running()
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    worker.wait(20)
