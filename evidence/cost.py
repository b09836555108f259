"""What a recipe costs by picture size: parameters, pairs a second in training and grading, memory.

On a CPU one thread, in the processor's own seconds, so that other programs on the machine count little. Each
measurement has a process of its own, whose highest memory is told. Pictures are random numbers, which are as heavy as
others; finding and measuring cards come before the network and are timed by themselves.
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

from benchmarks.harness import alone, now, one_thread, peak_memory_mib
from engine.cards.pairs import CardPair, read_manifest
from engine.config import Config
from engine.data.dataset import Batch
from engine.data.inputs import model_input
from engine.data.selection import Trainable
from engine.detection.read_and_find import read_and_find
from engine.device import launch
from engine.distributed import Ranks
from engine.measure.side.features import FEATURES
from engine.measure.side.measure_side import measure_found
from engine.model.dual_branch import DualBranch
from engine.preprocessing.crops import PIECE_PIXELS, PIECES
from engine.recipes import recipe_config
from engine.simulate.cards import Recipe
from engine.simulate.folder import LABELS, write_cards
from engine.training.learner import Learner
from engine.training.state import State
from evidence.cached_json import once, same_plan, write

RECIPES = ("baseline", "ordinal", "loupe")
SIZES = (128, 224, 384, 448)
STEPS = 3
PAIRS = 6


def run(folder: Path) -> dict[str, Any]:
    """Measure all; returns what cost.json then holds."""
    kept = folder / "cost"
    device = {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"{_processor()}, one thread",
        "steps": STEPS,
    }
    same_plan(device, kept / "plan.json")
    told = {
        **device,
        "networks": [
            once(kept / f"{recipe}-{size}.json", lambda: _network(recipe, size))  # noqa: B023
            for recipe in RECIPES
            for size in SIZES
        ],
        "before the network": once(kept / "sides.json", lambda: alone(_sides)),
    }
    write(folder / "cost.json", told)
    return told


def _processor() -> str:
    """The processor's name, where the system tells it."""
    told = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.+)$", told.read_text(encoding="utf-8") if told.exists() else "", re.M)
    return names[0] if names else platform.processor()


def _network(recipe: str, size: int) -> dict[str, Any]:
    row: dict[str, Any] = {"recipe": recipe, "image_size": size}
    row |= alone(_grading, recipe, size)
    for precision in ("32", "bf16"):
        row[f"training {precision}"] = alone(_training, recipe, size, precision)
    print(json.dumps(row), flush=True)
    return row


def _grading(recipe: str, size: int) -> dict[str, Any]:
    """Cards one at a time, as a person asks."""
    one_thread()
    config = recipe_config(recipe, {"image_size": size})
    network = DualBranch(config)
    device = launch(config).device
    network.eval().to(device, memory_format=torch.channels_last)
    batch = _random_batch(config, 1)
    with torch.inference_mode():
        seconds = _median(device, lambda: network(*model_input(batch, config, 2, device)))
    return {
        "parameters": sum(weights.numel() for weights in network.parameters()),
        "grading": _figures(seconds, 1),
    }


def _training(recipe: str, size: int, precision: str) -> dict[str, Any]:
    """Steps of the training loop's own learner."""
    one_thread()
    config = recipe_config(recipe, {"image_size": size, "precision": precision})
    fabric = launch(config)
    count = config.batch_size
    cards = [Trainable(CardPair(str(number), None, None), 1 + number % 10) for number in range(count)]
    learner = Learner(fabric, Ranks(fabric), config, DualBranch(config), cards)
    learner.enter_phase(2)
    learner.network.train()
    batch, state = _random_batch(config, count), State()
    seconds = _median(fabric.device, lambda: learner.step(batch, model_input(batch, config, 2, fabric.device), state))
    return _figures(seconds, count)


def _median(device: torch.device, act: Callable[[], object]) -> float:
    """Seconds, after once to warm up."""
    act()
    seconds = []
    for _ in range(STEPS):
        began = now(device)
        act()
        seconds.append(now(device) - began)
    return statistics.median(seconds)


def _figures(seconds: float, pairs: int) -> dict[str, float]:
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
        batch["regions"] = torch.randint(256, (cards, 2, PIECES, PIECE_PIXELS, 3), dtype=torch.uint8)
    if config.measured_inputs:
        batch["measured"] = torch.rand(cards, 2, len(FEATURES))
    return batch


def _sides() -> dict[str, Any]:
    """Median seconds to read a picture and find its card, and to measure it, of simulated cards of all kinds."""
    one_thread()
    with tempfile.TemporaryDirectory() as folder:
        write_cards(Path(folder), Recipe(seed=1, mix="uniform"), PAIRS, workers=1)
        pairs = read_manifest(Path(folder) / LABELS).pairs
        seconds = [_of_side(side) for pair in pairs for side in (pair.front, pair.back) if side]
    found, measured = zip(*seconds, strict=True)
    return {
        "sides": len(seconds),
        "seconds to find": statistics.median(found),
        "seconds to measure": statistics.median(measured),
    }


def _of_side(picture: Path) -> tuple[float, float]:
    cpu = torch.device("cpu")
    began = now(cpu)
    rgb, found = read_and_find(picture)
    between = now(cpu)
    measure_found(rgb, found.quad, found.kind)
    return between - began, now(cpu) - between
