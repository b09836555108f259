"""Training on two ranks, compared with torch's batch normalization and with a run on one process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.cards.pairs import write_snapshot
from engine.config import Config
from engine.events import EpochDone
from engine.training.loop import train
from tests import commands
from tests.engine.training import two_processes

ROOT = Path(__file__).parents[2]
SMALL = {
    "front_encoder": "mobilenet_v2",
    "back_encoder": "mobilenet_v2",
    "image_size": 64,
    # Ten training cards in batches of nine and one: in one batch per epoch, a rank has no card.
    "batch_size": 9,
    "phase1_epochs": 1,
    "phase2_epochs": 1,
    "dropout": 0.0,
    "sampler_eta": 0.5,
    "side_dropout": 0.2,
    "class_weights": "none",
    "ema_decay": 0.5,
    "device": "cpu",
    # Adam's step does not depend on the gradient's size, so rounding errors decide the sign of tiny gradients: a low
    # rate keeps two runs close enough to be compared.
    "lr_phase1": 1e-5,
    "lr_phase2": 1e-5,
}


def torchrun(*args, **variables):
    """Run a program on two ranks and capture its output; --standalone chooses a free port."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *map(str, args)]
    # The log level hides torch's warning about unused parameters, which single-sided cards cause.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TORCH_CPP_LOG_LEVEL": "ERROR", **variables}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
def test_a_step_of_two_processes_equals_torch_s_step_on_all_their_cards(tmp_path):
    done = torchrun("tests/engine/training/two_processes.py", "one_step", tmp_path)
    assert done.returncode == 0, done.stderr
    shared = torch.load(tmp_path / "step.pt", weights_only=True)
    network, (front, back) = two_processes.network_and_cards()
    network(front, back, two_processes.PRESENT).grade.logsumexp(dim=1).mean().backward()
    for name, parameter in network.named_parameters():
        if parameter.grad is not None and parameter.grad.any():
            torch.testing.assert_close(shared["gradients"][name], parameter.grad, rtol=1e-9, atol=1e-12, msg=name)
    for name, buffer in network.named_buffers():
        torch.testing.assert_close(shared["buffers"][name], buffer, rtol=1e-9, atol=1e-12, msg=name)


@pytest.mark.long
def test_two_processes_train_like_one_and_resume_exactly_after_a_stop(tmp_path, cards, prepared):
    (tmp_path / "config.json").write_text(json.dumps(SMALL))
    write_snapshot(tmp_path / "pairs.jsonl", cards)
    done = torchrun("tests/engine/training/two_processes.py", "runs", tmp_path)
    assert done.returncode == 0, done.stderr
    interrupted, uninterrupted = (
        json.loads((tmp_path / f"{name}.json").read_text()) for name in ("interrupted", "uninterrupted")
    )
    assert interrupted["last"] == uninterrupted["last"] == "Finished"
    (index,) = (tmp_path / "cache").glob("prepared_*.jsonl")
    hashes = [json.loads(line)["sha256"] for line in index.read_text().splitlines() if line]
    assert len(hashes) == len(set(hashes)) == 2 * len(cards) - 2
    resumed_checkpoint, checkpoint = (
        torch.load(tmp_path / name / "last.ckpt", weights_only=True) for name in ("interrupted", "uninterrupted")
    )
    for part in ("model", "average"):
        for key, value in resumed_checkpoint[part].items():
            assert torch.equal(value, checkpoint[part][key]), key
    events = train(Config(**SMALL), cards, tmp_path / "alone", cache=prepared)
    epochs = [event for event in events if isinstance(event, EpochDone)]
    for epoch_of_two, epoch_of_one in zip(uninterrupted["epochs"], epochs, strict=True):
        assert epoch_of_two["metrics"]["n"] == epoch_of_one.metrics["n"] == 4
        assert np.sum(epoch_of_two["metrics"]["confusion"]) == 4
        assert epoch_of_two["train_loss"] == pytest.approx(epoch_of_one.train_loss, rel=1e-3)
        assert epoch_of_two["val_loss"] == pytest.approx(epoch_of_one.val_loss, rel=1e-3)


@pytest.mark.long
def test_if_one_process_fails_both_end_with_a_message(tmp_path, cards):
    (tmp_path / "config.json").write_text(json.dumps({**SMALL, "batch_size": 6}))
    write_snapshot(tmp_path / "pairs.jsonl", cards)
    done = torchrun("tests/engine/training/two_processes.py", "one_fails", tmp_path)
    errors = [(tmp_path / f"{rank}.txt").read_text() for rank in (0, 1)]
    assert errors[0] == "another process of this run has ended; see the error that it has printed", done.stderr
    assert errors[1] == "not enough memory for 3 cards at once; lower batch_size, or use one process"


@pytest.mark.long
def test_the_program_under_torchrun_prints_one_result_and_counts_no_validation_card_twice(tmp_path, manifest):
    settings = commands.settings(dropout=0.0, lr_phase2=1e-5)
    done = torchrun("launch.py", "train", "--manifest", manifest, "--out", tmp_path / "two", *settings)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    expected = commands.call("train", "--manifest", manifest, "--out", tmp_path / "one", *settings).result
    assert result["n"] == expected["n"] == 6
    assert np.sum(result["confusion"]) == 6
    assert result["val_loss"] == pytest.approx(expected["val_loss"], rel=1e-3)
    assert done.stderr.count("epoch 1: train loss") == 1


@pytest.mark.slow
def test_a_refusal_in_one_process_ends_the_program(tmp_path, manifest):
    done = torchrun("launch.py", "train", "--data", tmp_path)
    assert done.returncode != 0
    assert "loupe (process 1 of 2): runs of the data folder use one process" in done.stderr
    assert done.stdout == ""
