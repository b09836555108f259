"""Many cards on a CPU: read by onnxruntime where that is faster, and by torch as before where it is not or cannot be.

Measured by `python -m benchmarks onnx`; decision 20 has the numbers. The graph is kept, so that it is written once a
model, and checked against torch when it is written and whenever it is opened again: what it says differs by less than
`onnx_graph.TOLERANCE`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from engine.data.inputs import Inputs
from engine.inference.loaded_model import Model
from engine.inference.onnx_export import PRESENT, BadGraph, Session, checked, export, random_inputs
from engine.model.dual_branch import DualBranch, Scores

# Writing the graph was won back on 260 to 1,560 cards, in the middle of them on 400; opening and timing it on some 150.
WRITING_PAYS, OPENING_PAYS = 500, 200
# With two threads and eight cards at 224 px torch was the faster, elsewhere onnxruntime: both are timed before one is
# taken, so many cards at most in so many turns.
MOST_TIMED, TURNS = 4, 3
VERSION = 1  # of the graphs; raise it where what the network computes changes


class OnnxNetwork(nn.Module):
    """What a network says, computed by onnxruntime for cards with both sides and by torch for the others.

    The graph passes every row through both encoders, torch only those that are there: a batch with a missing side is
    faster in torch.
    """

    def __init__(self, network: DualBranch, session: Session) -> None:
        super().__init__()
        self.network = network
        self.session = session

    def forward(self, *inputs: object) -> Scores:
        """As `DualBranch.forward`, for a network on the CPU in eval mode."""
        given = Inputs(*inputs)  # type: ignore[arg-type]  # as Inputs orders them
        return self.session.scores(given) if bool(given.present.all()) else self.network(*given)


def quicker(model: Model, *, sha256: str, cards: int, batch: int, folder: Path, say: Callable[[str], None]) -> Model:
    """The model, read by onnxruntime where there are enough cards for that and it is the faster here and now.

    sha256  the model file's
    cards   how many with both sides are to be read, each as often as it is
    batch   how many at once
    folder  where graphs are kept; may be deleted at any time
    say     told once, in a sentence, where onnxruntime was to read and cannot
    """
    path = folder / f"{sha256}-{VERSION}.onnx"
    if model.device.type != "cpu" or not all(model.sides) or model.phase == 1:
        return model
    if cards < (OPENING_PAYS if path.is_file() else WRITING_PAYS):
        return model
    try:
        session = _opened(model, path)
    except (BadGraph, OSError) as error:
        if path.is_file():
            path.unlink()  # the next time it is written anew
        say(f"torch computes, and not onnxruntime, which may be slower: {error}")
        return model
    reader = OnnxNetwork(model.network, session)
    return replace(model, reader=reader) if wins(reader, model, min(batch, MOST_TIMED)) else model


def _opened(model: Model, path: Path) -> Session:
    """The graph in a file, checked; where there is none it is written, which checks it. Raises BadGraph, OSError."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        export(model, path)
        return Session(path)
    session = Session(path)
    checked(model, session, path)
    return session


def wins(reader: nn.Module, model: Model, cards: int) -> bool:
    """Whether the reader takes less time than the model's network, the best of a few turns of each."""
    inputs = random_inputs(model, PRESENT[:1] * cards)
    seconds: dict[nn.Module, list[float]] = {reader: [], model.network: []}
    with torch.inference_mode():
        for _ in range(TURNS):
            for way, taken in seconds.items():
                began = time.perf_counter()
                way(*inputs)
                taken.append(time.perf_counter() - began)
    return min(seconds[reader]) < min(seconds[model.network])
