"""Cost of the recipes by picture size: parameters, pairs per second in training and grading, peak memory.

On a CPU: one thread, in CPU time, so that other programs on the machine have little effect. Each measurement runs in a
separate process and reports its peak memory. Inputs are random numbers, which cost as much as pictures; detecting and
measuring cards happens before the network and is timed separately.
"""

from __future__ import annotations

import json
import platform
import re
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import clock_s, in_fresh_process, peak_memory_mib, use_one_thread
from engine.cards.pairs import CardPair, read_manifest
from engine.config import Config
from engine.data.dataset import Batch
from engine.data.inputs import model_input
from engine.data.selection import LabelledCard
from engine.detection.read_and_find import read_and_find
from engine.device import launch
from engine.distributed import ProcessGroup
from engine.measure.side.features import FEATURE_NAMES
from engine.measure.side.measure_side import measure_detected_side
from engine.model.dual_branch import DualBranch
from engine.preprocessing.crops import REGION_COUNT, REGION_PIXELS
from engine.recipes import recipe_config
from engine.simulate.cards import SimulationConfig
from engine.simulate.folder import LABELS_FILE, write_cards
from engine.training.optimizer import Learner
from engine.training.state import TrainingState
from evidence.cached_json import load_or_compute, require_same_plan, write_json

RECIPES = ("baseline", "ordinal", "loupe")
SIZES = (128, 224, 384, 448)
STEPS = 3
PAIRS = 6


def run(folder: Path) -> dict[str, Any]:
    """Measure every recipe and size; returns the content of cost.json."""
    cache = folder / "cost"
    device = {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"{_processor()}, one thread",
        "steps": STEPS,
    }
    require_same_plan(device, cache / "plan.json")
    results = {
        **device,
        "networks": [
            load_or_compute(cache / f"{recipe}-{size}.json", lambda: _network(recipe, size))  # noqa: B023
            for recipe in RECIPES
            for size in SIZES
        ],
        "before the network": load_or_compute(cache / "sides.json", lambda: in_fresh_process(_sides)),
    }
    write_json(folder / "cost.json", results)
    return results


def _processor() -> str:
    """The processor's model name, or its architecture if the system does not give one."""
    path = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.+)$", path.read_text(encoding="utf-8") if path.exists() else "", re.M)
    return names[0] if names else platform.processor()


def _network(recipe: str, size: int) -> dict[str, Any]:
    row: dict[str, Any] = {"recipe": recipe, "image_size": size}
    row |= in_fresh_process(_grading, recipe, size)
    for precision in ("32", "bf16"):
        row[f"training {precision}"] = in_fresh_process(_training, recipe, size, precision)
    print(json.dumps(row), flush=True)
    return row


def _grading(recipe: str, size: int) -> dict[str, Any]:
    """Inference on one card at a time, as in the app."""
    use_one_thread()
    config = recipe_config(recipe, {"image_size": size})
    network = DualBranch(config)
    device = launch(config).device
    network.eval().to(device, memory_format=torch.channels_last)
    batch = _random_batch(config, 1)
    with torch.inference_mode():
        seconds = _median_s(device, lambda: network(*model_input(batch, config, 2, device)))
    return {
        "parameters": sum(weights.numel() for weights in network.parameters()),
        "grading": _speed_and_memory(seconds, 1),
    }


def _training(recipe: str, size: int, precision: str) -> dict[str, Any]:
    """Optimizer steps of the training loop's Learner."""
    use_one_thread()
    config = recipe_config(recipe, {"image_size": size, "precision": precision})
    fabric = launch(config)
    count = config.batch_size
    cards = [LabelledCard(CardPair(str(number), None, None), 1 + number % 10) for number in range(count)]
    learner = Learner(fabric, ProcessGroup(fabric), config, DualBranch(config), cards)
    learner.enter_phase(2)
    learner.network.train()
    batch, state = _random_batch(config, count), TrainingState()
    seconds = _median_s(fabric.device, lambda: learner.step(batch, model_input(batch, config, 2, fabric.device), state))
    return _speed_and_memory(seconds, count)


def _median_s(device: torch.device, function: Callable[[], object]) -> float:
    """Median seconds of a call, after a warm-up call."""
    function()
    seconds = []
    for _ in range(STEPS):
        start = clock_s(device)
        function()
        seconds.append(clock_s(device) - start)
    return statistics.median(seconds)


def _speed_and_memory(seconds: float, pairs: int) -> dict[str, float]:
    return {"pairs_per_second": pairs / seconds, "memory_mib": peak_memory_mib()}


def _random_batch(config: Config, cards: int) -> Batch:
    size = config.image_size
    batch: Batch = {
        "canvases": torch.randint(256, (cards, 2, size, size, 3), dtype=torch.uint8),
        "present": torch.ones(cards, 2, dtype=torch.bool),
        "grade": torch.arange(cards) % 10,
        "edge": torch.full((cards, 2), torch.nan),
        "centering": torch.full((cards, 2, 2), torch.nan),
        "index": torch.arange(cards),
    }
    if config.regions:
        batch["regions"] = torch.randint(256, (cards, 2, REGION_COUNT, REGION_PIXELS, 3), dtype=torch.uint8)
    if config.use_measurements:
        batch["measured"] = torch.rand(cards, 2, len(FEATURE_NAMES))
    return batch


def _sides() -> dict[str, Any]:
    """Median seconds per side to read a picture and detect its card, and to measure it, on simulated cards."""
    use_one_thread()
    with tempfile.TemporaryDirectory() as folder:
        write_cards(Path(folder), SimulationConfig(seed=1, mix="uniform"), PAIRS, workers=1)
        pairs = read_manifest(Path(folder) / LABELS_FILE).pairs
        seconds = [_time_side(picture) for pair in pairs for picture in (pair.front, pair.back) if picture]
    detecting, measuring = zip(*seconds, strict=True)
    return {
        "sides": len(seconds),
        "seconds to find": statistics.median(detecting),
        "seconds to measure": statistics.median(measuring),
    }


def _time_side(picture: Path) -> tuple[float, float]:
    cpu = torch.device("cpu")
    start = clock_s(cpu)
    rgb, detection = read_and_find(picture)
    detected = clock_s(cpu)
    measure_detected_side(rgb, detection.quad, detection.kind)
    return detected - start, clock_s(cpu) - detected
