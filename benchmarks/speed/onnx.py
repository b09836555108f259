"""Inference on a CPU with onnxruntime against torch: ResNet-18 and -34 in float32, without gradients, in eval mode.

Also prints the number of cards after which the export of the graph has paid off.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch

from benchmarks.harness import Row, interleaved_medians
from engine.data.inputs import Inputs
from engine.inference.load_model import LoadedModel
from engine.inference.onnx_export import SIDE_COMBINATIONS, TOLERANCE, OnnxSession, export, random_inputs
from engine.inference.onnx_runtime import MIN_CARDS_TO_EXPORT
from engine.model.dual_branch import DualBranch
from engine.recipes import recipe_config

SIZES, THREADS, BATCHES = (224, 384), (1, 2), (1, 8)
ROUNDS = {1: 41, 8: 15}


def model_of(size: int) -> LoadedModel:
    """The recipe's network with random weights."""
    torch.manual_seed(0)
    config = recipe_config("loupe", {"image_size": size})
    network = DualBranch(config).eval().to(memory_format=torch.channels_last)
    return LoadedModel(network, config, 2, (True, True), "drawn", "nothing", torch.device("cpu"))


def _seconds(model: LoadedModel, session: OnnxSession, inputs: Inputs, rounds: int) -> dict[str, float]:
    with torch.inference_mode():
        return interleaved_medians(
            {"torch": lambda: model.network(*inputs), "onnxruntime": lambda: session.scores(inputs)}, rounds=rounds
        )


def measure() -> list[Row]:
    """Time both with one thread and two, at two sizes, with batches of one card and eight."""
    rows: list[Row] = []
    for size in SIZES:
        model = model_of(size)
        with tempfile.TemporaryDirectory() as folder:
            graph = Path(folder) / "model.onnx"
            torch.set_num_threads(max(THREADS))
            start = time.perf_counter()
            difference = export(model, graph)
            export_s = time.perf_counter() - start
            rows.append(Row(f"largest difference, {size} px", "tolerance", difference / TOLERANCE, 5, at_most=1.0))
            for threads in THREADS:
                torch.set_num_threads(threads)
                session = OnnxSession(graph)
                for cards in BATCHES:
                    seconds = _seconds(
                        model, session, random_inputs(model, SIDE_COMBINATIONS[:1] * cards), ROUNDS[cards]
                    )
                    speeds = ", ".join(f"{name} {cards / value:.2f} pairs/s" for name, value in seconds.items())
                    saved_s = (seconds["torch"] - seconds["onnxruntime"]) / cards
                    pays_off = f"pays off after {export_s / saved_s:.0f} cards" if saved_s > 0 else "never pays off"
                    print(
                        f"{size} px, threads {threads}, batch {cards}: {speeds}; export of {export_s:.1f} s {pays_off}",
                        flush=True,
                    )
                    what = f"onnxruntime, {size} px, threads {threads}, batch {cards}"
                    ratio = seconds["torch"] / seconds["onnxruntime"]
                    rows.append(Row(what, "torch, eager", ratio, ROUNDS[cards], at_least=1.0))
    print(f"the program exports the graph for {MIN_CARDS_TO_EXPORT} cards or more")
    return rows
