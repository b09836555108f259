"""A run killed as a power cut kills it, more than once: what it comes to is what it would have come to."""

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
    """SIGKILL some time after the next checkpoint stands, wherever the run then is."""
    began, before = time.monotonic(), checkpoint.stat().st_mtime_ns if checkpoint.exists() else None
    while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() - began < 120
        time.sleep(0.002)
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_a_run_killed_twice_and_resumed_ends_bit_for_bit_as_its_uninterrupted_twin(tmp_path, manifest):
    folder = tmp_path / "killed"
    words = ("train", "--data", tmp_path / "data")
    kill_after_checkpoint(
        commands.start(*words, "--manifest", manifest, "--out", folder, *SETTINGS), folder / "last.ckpt", delay_s=0.15
    )
    kill_after_checkpoint(commands.start(*words, "--resume", folder), folder / "last.ckpt", delay_s=0.0)
    (*_, end) = rest = list(resume(folder))
    assert isinstance(end, Finished)
    config, cards = run_folder.told(folder)
    assert 0 < sum(isinstance(event, EpochDone) for event in rest) < config.epochs

    # A run by command is judged by its plan, though nothing was planned; its twin is told of none.
    assert end.summary["verdict"]["word"] == "nothing was expected"
    *_, twin_end = train(config, cards, tmp_path / "twin", cache=folder / "cache")
    assert {**end.summary, **CLOCKS} == {**twin_end.summary, **CLOCKS, "verdict": end.summary["verdict"]}
    for name in ("last.ckpt", "model.pt"):
        one, two = (torch.load(tmp_path / run / name, weights_only=True) for run in ("killed", "twin"))
        for part in ("model", "average", "optimizer", "schedule", "random"):
            if part in one:
                assert_same(one[part], two[part])


CLOCKS = dict.fromkeys(("seconds", "pairs_per_second", "data_wait_share"), 0)


def assert_same(one, two):
    if isinstance(one, dict):
        assert one.keys() == two.keys()
        for key in one:
            assert_same(one[key], two[key])
    elif isinstance(one, list):
        for first, second in zip(one, two, strict=True):
            assert_same(first, second)
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, two)
    else:
        assert one == two
