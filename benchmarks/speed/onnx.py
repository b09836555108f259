"""Reading cards on a CPU by onnxruntime against torch: ResNet-18 and -34 in float32, without gradients, in eval mode.

Also what writing the graph costs, told in cards: so many must be read before it has paid.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch

from benchmarks.harness import Row, medians_in_turn
from engine.data.inputs import Inputs
from engine.inference.loaded_model import Model
from engine.inference.onnx_export import PRESENT, TOLERANCE, Session, export, random_inputs
from engine.inference.onnx_runtime import WRITING_PAYS
from engine.model.dual_branch import DualBranch
from engine.recipes import recipe_config

SIZES, THREADS, BATCHES = (224, 384), (1, 2), (1, 8)
ROUNDS = {1: 41, 8: 15}


def model_of(size: int) -> Model:
    """The recipe's networks with random weights."""
    torch.manual_seed(0)
    config = recipe_config("loupe", {"image_size": size})
    network = DualBranch(config).eval().to(memory_format=torch.channels_last)
    return Model(network, config, 2, (True, True), "drawn", "nothing", torch.device("cpu"))


def _seconds(model: Model, session: Session, inputs: Inputs, rounds: int) -> dict[str, float]:
    with torch.inference_mode():
        return medians_in_turn(
            {"torch": lambda: model.network(*inputs), "onnxruntime": lambda: session.scores(inputs)}, rounds=rounds
        )


def measure() -> list[Row]:
    """Time both in turn, one thread and two, at two sizes, a card and eight at once."""
    rows: list[Row] = []
    for size in SIZES:
        model = model_of(size)
        with tempfile.TemporaryDirectory() as folder:
            graph = Path(folder) / "model.onnx"
            torch.set_num_threads(max(THREADS))
            began = time.perf_counter()
            difference = export(model, graph)
            writing = time.perf_counter() - began
            rows.append(Row(f"largest difference, {size} px", "tolerance", difference / TOLERANCE, 5, at_most=1.0))
            for threads in THREADS:
                torch.set_num_threads(threads)
                session = Session(graph)
                for cards in BATCHES:
                    seconds = _seconds(model, session, random_inputs(model, PRESENT[:1] * cards), ROUNDS[cards])
                    speeds = ", ".join(f"{name} {cards / value:.2f} pairs/s" for name, value in seconds.items())
                    won = (seconds["torch"] - seconds["onnxruntime"]) / cards
                    pays = f"{writing / won:.0f} cards pay" if won > 0 else "nothing pays"
                    print(
                        f"{size} px, threads {threads}, batch {cards}: {speeds}; {pays} for {writing:.1f} s", flush=True
                    )
                    what = f"onnxruntime, {size} px, threads {threads}, batch {cards}"
                    ratio = seconds["torch"] / seconds["onnxruntime"]
                    rows.append(Row(what, "torch, eager", ratio, ROUNDS[cards], at_least=1.0))
    print(f"the program writes the graph from {WRITING_PAYS} cards on")
    return rows
