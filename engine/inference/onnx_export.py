"""A model as an ONNX file, for other programs and for onnxruntime: written, then checked against torch.

Inputs, by name, with any number of cards: `front` and `back` (cards, channels, S, S) float32 as `engine.preprocessing.channels`
makes them, `present` (cards, 2) bool, and what else the network reads, as `engine.data.inputs.Inputs` describes it. Of a side
that a card does not have, everything may hold anything. Outputs: `log_probabilities` (cards, 10) of grades 1 to 10,
`edge` (cards,) the logit of edge damage, `centering` (cards, 2), and `scores`, the grade head's own numbers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnxruntime.capi import onnxruntime_pybind11_state as refused
from torch import Tensor, nn

from engine.data.dataset import Pictures
from engine.data.inputs import Inputs, model_input
from engine.errors import BadInput
from engine.inference.loaded_model import Model
from engine.measure.side.features import FEATURES
from engine.model.dual_branch import Scores
from engine.model.export_network import whole
from engine.preprocessing.crops import PIECE_PIXELS, PIECES

OUTPUTS = ("log_probabilities", "edge", "centering", "scores")
# Of a probability; the same sums in another order differ by a few millionths.
TOLERANCE = 1e-4
# Both sides, either, none.
PRESENT = ((True, True), (True, False), (False, True), (False, False))
UNUSABLE = (
    *(refused.EPFail, refused.Fail, refused.InvalidArgument, refused.InvalidGraph, refused.InvalidProtobuf),
    *(refused.NoModel, refused.NoSuchFile, refused.NotImplemented, refused.RuntimeException),
)


class BadGraph(BadInput):
    """An ONNX graph that cannot be made, cannot be read or does not say what its model says."""


class Graph(nn.Module):
    """What is exported: the network, which sides it looks at, and its grade head's log-probabilities."""

    looked_at: Tensor

    def __init__(self, model: Model, names: Sequence[str]) -> None:
        """names: those of the inputs, in their order."""
        super().__init__()
        self.names = tuple(names)
        self.network = whole(model.network)
        self.register_buffer("looked_at", looked_at(model))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The inputs of the file -> its outputs, in the order of OUTPUTS."""
        given = dict(zip(self.names, inputs, strict=True))
        given["present"] = given["present"] & self.looked_at
        if "measured" in given:
            seen = given["present"][:, :, None, None]
            given["measured"] = torch.where(seen, given["measured"], torch.zeros_like(given["measured"]))
        scores = self.network(**given)
        return self.network.grade.log_probabilities(scores.grade), scores.edge, scores.centering, scores.grade


class Session:
    """An ONNX file, ready to compute on the CPU with as many threads as torch has."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises BadGraph."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        # Threads that wait by spinning starve whatever else runs on the machine; see launch.py on torch's own.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except UNUSABLE as error:
            raise BadGraph(f"{path}: is no ONNX graph that onnxruntime can read; export the model again") from error

    def __call__(self, inputs: Inputs) -> dict[str, np.ndarray]:
        """The outputs by name; each float32."""
        fed = {name: value.contiguous().numpy() for name, value in named(inputs).items()}
        return dict(zip(OUTPUTS, self._session.run(OUTPUTS, fed), strict=True))

    def scores(self, inputs: Inputs) -> Scores:
        """What the network's own forward gives."""
        said = self(inputs)
        return Scores(*(torch.from_numpy(said[name]) for name in ("scores", "edge", "centering")))


def named(inputs: Inputs) -> dict[str, Tensor]:
    """The inputs that there are, by name."""
    return {name: value for name, value in inputs._asdict().items() if value is not None}


def export(model: Model, path: Path) -> float:
    """Write the graph of a model on the CPU, aside, then renamed; returns how far a probability differs at most.

    Raises BadGraph where it cannot be made or differs by more than TOLERANCE: then no file is written.
    """
    aside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        _write(model, aside)
        difference = checked(model, Session(aside), path)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return difference


def _write(model: Model, path: Path) -> None:
    example = named(random_inputs(model, PRESENT[:2]))
    # One name for the number of cards, and all inputs have that many.
    cards = ({0: "cards"}, *({0: torch.export.Dim.DYNAMIC} for _ in list(example)[1:]))
    try:
        made = torch.onnx.export(
            Graph(model, list(example)).eval(),
            tuple(example.values()),
            input_names=list(example),
            output_names=OUTPUTS,
            dynamic_shapes=(cards,),
            verbose=False,
        )
    except torch.onnx.OnnxExporterError as error:
        raise BadGraph(
            f"{model.name}: torch {torch.__version__} cannot write it as ONNX; use the model.pt itself"
        ) from error
    assert made is not None, "without a file name the program is returned"
    made.model.metadata_props.update(_told(model))
    made.save(path, external_data=False)


def _told(model: Model) -> dict[str, str]:
    """What the file says of itself."""
    return {
        "loupe.name": model.name,
        "loupe.trained_on": model.trained_on,
        "loupe.config": model.config.model_dump_json(),
        "loupe.grades": json.dumps(list(range(1, 11))),
    }


def checked(model: Model, session: Session, path: Path) -> float:
    """The largest difference from torch, of any probability or share, on noise with both sides, with either, with none.

    Raises BadGraph where it is beyond TOLERANCE.
    """
    largest = max(_difference(model, session, present) for present in (PRESENT, PRESENT[:1]))
    if not largest <= TOLERANCE:
        raise BadGraph(
            f"{path}: the ONNX graph of {model.name} differs from it by {largest:.2g} in a probability, more than "
            f"{TOLERANCE:g}; use the model.pt itself"
        )
    return largest


def _difference(model: Model, session: Session, present: Sequence[tuple[bool, bool]]) -> float:
    network = model.network
    seen = (torch.tensor(present) & looked_at(model)).tolist()
    with torch.inference_mode():
        scores = network(*random_inputs(model, seen))
        probabilities = network.grade.log_probabilities(scores.grade).exp()
    said = session(random_inputs(model, present))
    ours = (probabilities, scores.edge.sigmoid(), scores.centering)
    theirs = (np.exp(said["log_probabilities"]), 1 / (1 + np.exp(-said["edge"])), said["centering"])
    return max(float(np.abs(own.numpy() - other).max()) for own, other in zip(ours, theirs, strict=True))


def looked_at(model: Model) -> Tensor:
    """(2,) bool: whether the model looks at fronts, and at backs."""
    front, back = model.sides
    return torch.tensor([front and model.phase != 1, back])


def random_inputs(model: Model, present: Sequence[tuple[bool, bool]]) -> Inputs:
    """Pictures of noise, as the program itself makes the network's input of pictures; (len(present), ...) each.

    The noise is the same whichever sides are there.
    """
    random, size = np.random.default_rng(0), model.config.image_size
    pictures: Pictures = {
        "canvases": _noise(random, (len(present), 2, size, size, 3)),
        "present": torch.tensor(present),
    }
    if model.config.regions:
        pictures["regions"] = _noise(random, (len(present), 2, PIECES, PIECE_PIXELS, 3))
    if model.config.measured_inputs:
        measured = random.normal(size=(len(present), 2, len(FEATURES))).astype(np.float32)
        # Some of it could not be measured.
        measured[random.random(measured.shape) < 0.3] = np.nan
        pictures["measured"] = torch.from_numpy(measured)
    return model_input(pictures, model.config, 2, torch.device("cpu"))


def _noise(random: np.random.Generator, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(random.integers(0, 256, shape, dtype=np.uint8))
