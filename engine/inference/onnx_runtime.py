"""Run a model with onnxruntime on the CPU if that is faster than torch.

Measured by `python -m benchmarks onnx`; decision 20 has the numbers. The graph is cached, so it is exported once per
model. It is verified against torch when exported and whenever opened again: its probabilities differ by less than
`onnx_export.TOLERANCE`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from engine.data.inputs import Inputs
from engine.inference.load_model import LoadedModel
from engine.inference.onnx_export import SIDE_COMBINATIONS, BadGraph, OnnxSession, export, random_inputs, verify
from engine.model.dual_branch import DualBranch, Scores

# Exporting the graph paid off from 260 to 1,560 cards on, the median being 400; opening and timing it from about 150.
MIN_CARDS_TO_EXPORT, MIN_CARDS_TO_OPEN = 500, 200
# With two threads and eight cards at 224 px torch was faster, otherwise onnxruntime: so both are timed first.
MAX_TIMED_CARDS, TIMING_ROUNDS = 4, 3
VERSION = 1  # of the cached graphs; increase it when the network's computation changes


class OnnxNetwork(nn.Module):
    """A network computed by onnxruntime for batches in which all cards have both sides, and by torch otherwise.

    The graph passes every card through both encoders, torch only the sides that are present: with a missing side torch
    is faster.
    """

    def __init__(self, network: DualBranch, session: OnnxSession) -> None:
        super().__init__()
        self.network = network
        self.session = session

    def forward(self, *inputs: object) -> Scores:
        """As `DualBranch.forward`, for a network on the CPU in eval mode."""
        named = Inputs(*inputs)  # type: ignore[arg-type]  # as Inputs orders them
        return self.session.scores(named) if bool(named.present.all()) else self.network(*named)


def with_onnx_runtime(
    model: LoadedModel, *, sha256: str, cards: int, batch: int, folder: Path, notify: Callable[[str], None]
) -> LoadedModel:
    """Return the model with onnxruntime enabled, if there are enough cards and it is faster on this machine.

    sha256  of the model file
    cards   number of forward passes of cards with both sides
    batch   batch size
    folder  cache of exported graphs; may be deleted at any time
    notify  called with one sentence if onnxruntime cannot be used
    """
    path = folder / f"{sha256}-{VERSION}.onnx"
    # With domains, the features of both sides are needed before they are fused; the graph does not give them.
    if model.device.type != "cpu" or not all(model.sides) or model.phase == 1 or any(model.domains):
        return model
    if cards < (MIN_CARDS_TO_OPEN if path.is_file() else MIN_CARDS_TO_EXPORT):
        return model
    try:
        session = _open_or_export(model, path)
    except (BadGraph, OSError) as error:
        if path.is_file():
            path.unlink()  # exported again next time
        notify(f"using torch instead of onnxruntime, which may be slower: {error}")
        return model
    onnx_network = OnnxNetwork(model.network, session)
    return replace(model, onnx=onnx_network) if is_faster(onnx_network, model, min(batch, MAX_TIMED_CARDS)) else model


def _open_or_export(model: LoadedModel, path: Path) -> OnnxSession:
    """Open and verify the cached graph, or export it, which verifies it too. Raises BadGraph, OSError."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        export(model, path)
        return OnnxSession(path)
    session = OnnxSession(path)
    verify(model, session, path)
    return session


def is_faster(onnx_network: nn.Module, model: LoadedModel, cards: int) -> bool:
    """Compare `onnx_network` with the model's network by the fastest of TIMING_ROUNDS forward passes."""
    inputs = random_inputs(model, SIDE_COMBINATIONS[:1] * cards)
    seconds: dict[nn.Module, list[float]] = {onnx_network: [], model.network: []}
    with torch.inference_mode():
        for _ in range(TIMING_ROUNDS):
            for network, durations_s in seconds.items():
                start = time.perf_counter()
                network(*inputs)
                durations_s.append(time.perf_counter() - start)
    return min(seconds[onnx_network]) < min(seconds[model.network])
