"""The training loop against a loop over tensors that are already there, and what each of its choices is worth.

Everything is the `baseline` recipe's networks. Ours is `engine.training.loop.train` as it stands: pixel cache, augmentation,
channels, tallies and events. The others are bare loops over random numbers. On a CPU the loops use one thread and the
seconds are the processor's own, so that other programs on the machine count little; the commands at the end are timed
by the clock.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.harness import ROOT, Row, alone, now, one_thread, peak_memory_mib
from engine.cards.pairs import CardPair, write_manifest
from engine.config import Config
from engine.data.targets import soft_targets
from engine.device import resolve
from engine.events import EpochDone, Progress, Saved
from engine.model.dual_branch import DualBranch
from engine.model.losses import Objective
from engine.recipes import recipe_config
from engine.training.loop import train
from tools.finder.capture_art import card_face

PROGRAM = ROOT
CPU_PX, GPU_PX = 128, 224
BATCHES = 3
ROUNDS = 5
# The least share of a resident loop's speed that ours may have, and what its memory layout must gain.
FLOOR, GAIN = 0.95, 1.1
# A second process on the same cores can gain nothing, and waits for the first in every layer that shares statistics:
# below one half, either of them alone on half the cores would do better.
TWO_OF_ONE = 0.5
COMMANDS = 3
MEMORY = 1.25


def measure() -> list[Row]:
    """Every loop in turn, repeated; then memory, each in a process of its own; then one process against two."""
    gpu = torch.cuda.is_available()
    if not gpu:
        print("no CUDA device here: nothing below was measured on a GPU, and bf16 against float32 not at all")
        one_thread()
    with tempfile.TemporaryDirectory() as folder:
        cards = _cards(Path(folder))
        seconds = _in_turn(cards, Path(folder), gpu)
        memory = {name: alone(_peak_memory, name, cards, Path(folder)) for name in ("ours", "resident")}
        rows = [_row("pairs/s of the loop", "resident random tensors", seconds["resident"], seconds["ours"], FLOOR)]
        rows.append(
            _row("channels_last, fused AdamW", "plain, pairs/s", seconds["plain"], seconds["resident"], at_least=GAIN)
        )
        if gpu:
            rows.append(_row("bf16", "float32, pairs/s", seconds["float32"], seconds["ours"], at_least=1.0))
        ratio = memory["ours"] / memory["resident"]
        rows.append(Row("peak memory of the loop", "resident random tensors", ratio, 1, at_most=MEMORY))
        print(f"peak memory: {memory['ours']:.0f} MiB, resident {memory['resident']:.0f} MiB")
        speeds = _by_command(Path(folder))
        print(f"pairs/s by command: one process {speeds[1]:.2f}, two {speeds[2]:.2f}, on {os.cpu_count()} cores")
        ratio = speeds[2] / speeds[1]
        rows.append(Row("two processes", "one, on the same cores, pairs/s", ratio, COMMANDS, at_least=TWO_OF_ONE))
    return rows


def _row(what: str, versus: str, theirs: float, ours: float, at_least: float) -> Row:
    return Row(what, versus, theirs / ours, ROUNDS, at_least=at_least)


def _config(**changes: object) -> Config:
    size = GPU_PX if torch.cuda.is_available() else CPU_PX
    return recipe_config("baseline", {"image_size": size, "phase2_epochs": 2, "device": "auto", **changes})


def _cards(folder: Path) -> list[CardPair]:
    """Drawn cards for three whole batches, and two to validate on."""
    count = BATCHES * _config().batch_size
    random = np.random.default_rng(0)
    cards = []
    for number in range(count + 2):
        paths = [folder / f"card-{number}-{side}.png" for side in ("front", "back")]
        for path in paths:
            cv2.imwrite(str(path), card_face(random, [], 440, 315))
        cards.append(CardPair(str(number), *paths, float(1 + number % 10), split="train" if number < count else "val"))
    write_manifest(folder / "labels.csv", cards)
    return cards


def _in_turn(cards: list[CardPair], folder: Path, gpu: bool) -> dict[str, float]:
    """Median seconds a pair of each loop."""
    ways: dict[str, Callable[[], float]] = {
        "ours": lambda: _ours(cards, folder, _config()),
        "resident": lambda: _resident(_config()),
        "plain": lambda: _resident(_config(), channels_last=False, fused=False),
    }
    if gpu:
        ways["float32"] = lambda: _ours(cards, folder, _config(precision="32"))
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(ROUNDS):
        for name, way in ways.items():
            seconds[name].append(way())
            print(f"round {turn + 1}: {name} {1 / seconds[name][-1]:.2f} pairs/s", flush=True)
    return {name: statistics.median(values) for name, values in seconds.items()}


def _ours(cards: list[CardPair], folder: Path, config: Config) -> float:
    """Seconds a pair in the second epoch of a run, its pictures prepared."""
    device = torch.device(resolve(config.device))
    began = ended = 0.0
    with tempfile.TemporaryDirectory() as run:
        for event in train(config, cards, Path(run), cache=folder / "cache"):
            match event:
                case Saved(epoch=1, best=False):
                    began = now(device)
                case Progress(step="training", epoch=2, done=done, total=total) if done == total:
                    ended = now(device)
                case EpochDone(epoch=2, data_wait_share=share):
                    print(f"  of which waiting for data: {share:.1%}")
    return (ended - began) / (BATCHES * config.batch_size)


def _resident(config: Config, *, channels_last: bool = True, fused: bool = True) -> float:
    """Seconds a pair of a bare loop over one batch of random numbers on the device, after one epoch to warm up."""
    device = torch.device(resolve(config.device))
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = DualBranch(config).to(device, memory_format=layout).train()
    objective = Objective(config, torch.ones(10)).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-4, fused=fused)
    size = (config.batch_size, 6, config.image_size, config.image_size)
    sides = [torch.rand(size, device=device).to(memory_format=layout) for _ in range(2)]
    present = torch.ones(config.batch_size, 2, dtype=torch.bool, device=device)
    targets = soft_targets(torch.arange(config.batch_size, device=device) % 10, 0.0)
    unmeasured = torch.full((config.batch_size, 3), torch.nan, device=device)
    began = 0.0
    for step in range(2 * BATCHES):
        if step == BATCHES:
            began = now(device)
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda"):
            scores = network(*sides, present)
        loss = objective(scores, targets, unmeasured[:, 0], unmeasured[:, 1:]).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        loss.item()
    return (now(device) - began) / (BATCHES * config.batch_size)


def _peak_memory(name: str, cards: list[CardPair], folder: Path) -> float:
    one_thread()
    if name == "ours":
        _ours(cards, folder, _config())
    else:
        _resident(_config())
    return peak_memory_mib()


def _by_command(folder: Path) -> dict[int, float]:
    """Median pairs a second that the command `train` says it had as one process and as two, taking turns."""
    speeds: dict[int, list[float]] = {1: [], 2: []}
    for turn in range(COMMANDS):
        for processes, said in speeds.items():
            said.append(_command(folder, processes, folder / f"by-{processes}-{turn}"))
            print(f"round {turn + 1}: {processes} by torchrun, {said[-1]:.2f} pairs/s", flush=True)
    return {processes: statistics.median(said) for processes, said in speeds.items()}


def _command(folder: Path, processes: int, out: Path) -> float:
    """Pairs a second of a run of two epochs, all cores being shared out among its processes."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "launch.py"]
    settings = [f"image_size={_config().image_size}", "phase2_epochs=2"]
    words = ["train", "--recipe", "baseline", "--manifest", str(folder / "labels.csv"), "--out", str(out)]
    done = subprocess.run(
        [sys.executable, *launcher, *words, *(word for each in settings for word in ("--set", each))],
        cwd=PROGRAM,
        env={
            **os.environ,
            "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // processes)),
            "OMP_WAIT_POLICY": "PASSIVE",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return float(json.loads(done.stdout)["pairs_per_second"])
