"""The training loop against a loop over tensors in memory, and the gain of each of its optimizations.

All loops train the networks of the `baseline` recipe. Ours is `engine.training.loop.train`: picture cache,
augmentation, channels, metrics and events. The others are minimal loops over random numbers. On a CPU the loops use one
thread and are timed in CPU time, so that other programs on the machine have little effect; the commands at the end are
timed in wall time.
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
import torch

from benchmarks.harness import ROOT, Row, clock_s, in_fresh_process, peak_memory_mib, use_one_thread
from engine.cards.pairs import CardPair, write_manifest
from engine.config import Config
from engine.data.targets import smoothed_targets
from engine.device import resolve
from engine.events import EpochDone, Progress, Saved
from engine.model.dual_branch import DualBranch
from engine.model.losses import Objective
from engine.recipes import recipe_config
from engine.simulate.cards import CardSimulator, SimulationConfig
from engine.training.loop import train

CPU_PX, GPU_PX = 128, 224
BATCHES = 3
ROUNDS = 5
# Minimum speed of our loop relative to a loop over tensors in memory, and minimum gain of its memory layout.
MIN_RELATIVE_SPEED, MIN_GAIN = 0.95, 1.1
# A second process on the same cores gains nothing and waits in every layer with synchronized statistics. Below one
# half, one process on half of the cores would be faster.
MIN_TWO_PROCESS_SPEED = 0.5
COMMAND_ROUNDS = 3
MAX_MEMORY_RATIO = 1.25


def measure() -> list[Row]:
    """Time the loops, interleaved; then measure memory, in separate processes; then one process against two."""
    gpu = torch.cuda.is_available()
    if not gpu:
        print("no CUDA device: everything is measured on the CPU, and bf16 against float32 is skipped")
        use_one_thread()
    with tempfile.TemporaryDirectory() as folder:
        cards = _cards(Path(folder))
        seconds = _seconds_per_pair(cards, Path(folder), gpu)
        memory = {name: in_fresh_process(_peak_memory, name, cards, Path(folder)) for name in ("ours", "resident")}
        rows = [
            _row(
                "pairs/s of the loop",
                "resident random tensors",
                seconds["resident"],
                seconds["ours"],
                MIN_RELATIVE_SPEED,
            )
        ]
        rows.append(
            _row(
                "channels_last, fused AdamW", "plain, pairs/s", seconds["plain"], seconds["resident"], at_least=MIN_GAIN
            )
        )
        if gpu:
            rows.append(_row("bf16", "float32, pairs/s", seconds["float32"], seconds["ours"], at_least=1.0))
        ratio = memory["ours"] / memory["resident"]
        rows.append(Row("peak memory of the loop", "resident random tensors", ratio, 1, at_most=MAX_MEMORY_RATIO))
        print(f"peak memory: {memory['ours']:.0f} MiB, resident {memory['resident']:.0f} MiB")
        speeds = _by_command(Path(folder))
        print(f"pairs/s by command: one process {speeds[1]:.2f}, two {speeds[2]:.2f}, on {os.cpu_count()} cores")
        ratio = speeds[2] / speeds[1]
        rows.append(
            Row(
                "two processes",
                "one, on the same cores, pairs/s",
                ratio,
                COMMAND_ROUNDS,
                at_least=MIN_TWO_PROCESS_SPEED,
            )
        )
    return rows


def _row(what: str, versus: str, reference_s: float, our_s: float, at_least: float) -> Row:
    return Row(what, versus, reference_s / our_s, ROUNDS, at_least=at_least)


def _config(**changes: object) -> Config:
    size = GPU_PX if torch.cuda.is_available() else CPU_PX
    return recipe_config("baseline", {"image_size": size, "phase2_epochs": 2, "device": "auto", **changes})


def _cards(folder: Path) -> list[CardPair]:
    """Simulated cards for three full batches, and two for validation."""
    count = BATCHES * _config().batch_size
    simulator, cards = CardSimulator(SimulationConfig(seed=0, height=440)), []
    for number in range(count + 2):
        paths = [folder / f"card-{number}-{side}.png" for side in ("front", "back")]
        for path, face in zip(paths, simulator.faces(number), strict=True):
            cv2.imwrite(str(path), face.rgb)
        cards.append(CardPair(str(number), *paths, float(1 + number % 10), split="train" if number < count else "val"))
    write_manifest(folder / "labels.csv", cards)
    return cards


def _seconds_per_pair(cards: list[CardPair], folder: Path, gpu: bool) -> dict[str, float]:
    """Median seconds per pair of each loop."""
    loops: dict[str, Callable[[], float]] = {
        "ours": lambda: _our_loop(cards, folder, _config()),
        "resident": lambda: _minimal_loop(_config()),
        "plain": lambda: _minimal_loop(_config(), channels_last=False, fused=False),
    }
    if gpu:
        loops["float32"] = lambda: _our_loop(cards, folder, _config(precision="32"))
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for turn in range(ROUNDS):
        for name, loop in loops.items():
            seconds[name].append(loop())
            print(f"round {turn + 1}: {name} {1 / seconds[name][-1]:.2f} pairs/s", flush=True)
    return {name: statistics.median(values) for name, values in seconds.items()}


def _our_loop(cards: list[CardPair], folder: Path, config: Config) -> float:
    """Seconds per pair in the second epoch of a run, with prepared pictures."""
    device = torch.device(resolve(config.device))
    start = end = 0.0
    with tempfile.TemporaryDirectory() as run:
        for event in train(config, cards, Path(run), cache=folder / "cache"):
            match event:
                case Saved(epoch=1, best=False):
                    start = clock_s(device)
                case Progress(step="training", epoch=2, done=done, total=total) if done == total:
                    end = clock_s(device)
                case EpochDone(epoch=2, data_wait_share=waiting):
                    print(f"  of which waiting for data: {waiting:.1%}")
    return (end - start) / (BATCHES * config.batch_size)


def _minimal_loop(config: Config, *, channels_last: bool = True, fused: bool = True) -> float:
    """Seconds per pair of a minimal loop over one random batch on the device, after a warm-up epoch."""
    device = torch.device(resolve(config.device))
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = DualBranch(config).to(device, memory_format=layout).train()
    objective = Objective(config, torch.ones(10)).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-4, fused=fused)
    size = (config.batch_size, 6, config.image_size, config.image_size)
    sides = [torch.rand(size, device=device).to(memory_format=layout) for _ in range(2)]
    present = torch.ones(config.batch_size, 2, dtype=torch.bool, device=device)
    targets = smoothed_targets(torch.arange(config.batch_size, device=device) % 10, 0.0)
    unmeasured = torch.full((config.batch_size, 3), torch.nan, device=device)
    start = 0.0
    for step in range(2 * BATCHES):
        if step == BATCHES:
            start = clock_s(device)
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda"):
            scores = network(*sides, present)
        loss = objective(scores, targets, unmeasured[:, 0], unmeasured[:, 1:]).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        loss.item()
    return (clock_s(device) - start) / (BATCHES * config.batch_size)


def _peak_memory(name: str, cards: list[CardPair], folder: Path) -> float:
    use_one_thread()
    if name == "ours":
        _our_loop(cards, folder, _config())
    else:
        _minimal_loop(_config())
    return peak_memory_mib()


def _by_command(folder: Path) -> dict[int, float]:
    """Median pairs per second that the command `train` reports with one process and with two, interleaved."""
    speeds: dict[int, list[float]] = {1: [], 2: []}
    for turn in range(COMMAND_ROUNDS):
        for processes, values in speeds.items():
            values.append(_command(folder, processes, folder / f"by-{processes}-{turn}"))
            print(f"round {turn + 1}: torchrun with {processes}, {values[-1]:.2f} pairs/s", flush=True)
    return {processes: statistics.median(values) for processes, values in speeds.items()}


def _command(folder: Path, processes: int, out: Path) -> float:
    """Pairs per second of a run of two epochs, with all cores divided among its processes."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "launch.py"]
    settings = [f"image_size={_config().image_size}", "phase2_epochs=2"]
    arguments = ["train", "--recipe", "baseline", "--manifest", str(folder / "labels.csv"), "--out", str(out)]
    completed = subprocess.run(
        [sys.executable, *launcher, *arguments, *(word for setting in settings for word in ("--set", setting))],
        cwd=ROOT,
        env={
            **os.environ,
            "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // processes)),
            "OMP_WAIT_POLICY": "PASSIVE",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return float(json.loads(completed.stdout)["pairs_per_second"])
