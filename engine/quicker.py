"""Many cards on a CPU: read by onnxruntime, where writing the graph pays, and by torch as before where it cannot be.

Measured by `python -m benchmarks onnx`; decision 20 has the numbers. The graph is kept, so that it is written once a
model, and checked against torch whenever it is opened: what it says differs by less than `onnx_graph.TOLERANCE`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from torch import nn

from engine.data import Inputs
from engine.evaluate import Model
from engine.model.dual import DualBranch, Scores
from engine.onnx_graph import BadGraph, Session, checked, export

# Writing the graph takes about as long as is then won on 300 cards.
CARDS_THAT_PAY = 500
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


def quicker(model: Model, *, sha256: str, cards: int, folder: Path, say: Callable[[str], None]) -> Model:
    """The model, read the faster way where there is one for so many cards.

    sha256  the model file's
    folder  where graphs are kept; may be deleted at any time
    say     told once, in a sentence, where onnxruntime was to read it and cannot
    """
    path = folder / f"{sha256}-{VERSION}.onnx"
    if model.device.type != "cpu" or not all(model.sides) or model.phase == 1:
        return model
    if cards < CARDS_THAT_PAY and not path.is_file():
        return model
    try:
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            export(model, path)
        session = Session(path)
        checked(model, session, path)
    except (BadGraph, OSError) as error:
        say(f"torch computes, and not onnxruntime, which may be slower: {error}")
        return model
    return replace(model, reader=OnnxNetwork(model.network, session))
