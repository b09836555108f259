"""A run killed more than once with SIGKILL and resumed ends like an uninterrupted run."""

import signal
import time

import pytest
import torch

from engine.events import EpochDone, Finished
from engine.experiments import run_folder
from engine.training.loop import resume, train
from tests import commands

SETTINGS = commands.settings(
    phase2_epochs=4, mixup_alpha=0.3, sampler_eta=0.5, class_weights="none", ema_decay=0.9, side_dropout=0.2, seed=3
)


def kill_after_checkpoint(process, checkpoint, *, delay_s):
    """Kill the process `delay_s` after the next checkpoint is written."""
    start, before = time.monotonic(), checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
    while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() - start < 120
        time.sleep(0.002)
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.long
def test_a_run_killed_twice_and_resumed_equals_the_uninterrupted_run_bit_for_bit(tmp_path, manifest):
    folder = tmp_path / "killed"
    command = ("train", "--data", tmp_path / "data")
    kill_after_checkpoint(
        commands.start(*command, "--manifest", manifest, "--out", folder, *SETTINGS), folder / "last.ckpt", delay_s=0.15
    )
    kill_after_checkpoint(commands.start(*command, "--resume", folder), folder / "last.ckpt", delay_s=0.0)
    (*_, end) = events = list(resume(folder))
    assert isinstance(end, Finished)
    config, cards = run_folder.load(folder)
    assert 0 < sum(isinstance(event, EpochDone) for event in events) < config.epochs

    # A run by command always has a plan, here an empty one; its twin has none.
    assert end.summary["verdict"]["word"] == "no criteria"
    *_, twin_end = train(config, cards, tmp_path / "twin", cache=folder / "cache")
    assert {**end.summary, **CLOCKS} == {**twin_end.summary, **CLOCKS, "verdict": end.summary["verdict"]}
    for name in ("last.ckpt", "model.pt"):
        killed, twin = (torch.load(tmp_path / run / name, weights_only=True) for run in ("killed", "twin"))
        for part in ("model", "average", "optimizer", "schedule", "random"):
            if part in killed:
                assert_same(killed[part], twin[part])


CLOCKS = dict.fromkeys(("seconds", "pairs_per_second", "data_wait_share"), 0)


def assert_same(first, second):
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_same(first[key], second[key])
    elif isinstance(first, list):
        for item, expected in zip(first, second, strict=True):
            assert_same(item, expected)
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second)
    else:
        assert first == second
