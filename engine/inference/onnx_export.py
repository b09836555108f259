"""Export a model to ONNX and verify the file against torch.

Inputs by name, for any number of cards: `front` and `back` (cards, channels, S, S) float32 as computed by
`engine.preprocessing.channels`, `present` (cards, 2) bool, and the optional inputs described in
`engine.data.inputs.Inputs`. The values of a missing side are ignored. Outputs: `log_probabilities` (cards, 10) of
grades 1 to 10, `edge` (cards,) the logit of edge damage, `centering` (cards, 2), and `scores`, the raw output of the
grade head.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from engine.data.dataset import PictureBatch
from engine.data.inputs import Inputs, model_input
from engine.errors import BadInput
from engine.inference.load_model import LoadedModel
from engine.measure.side.features import FEATURE_NAMES
from engine.model.dual_branch import Scores
from engine.model.export_network import to_exportable
from engine.preprocessing.crops import REGION_COUNT, REGION_PIXELS
from engine.storage.atomic import atomic_write

# Read when onnxruntime is imported: without it, onnxruntime sends usage statistics to Microsoft and leaves the session
# file `.ses` in the folder for temporary files.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as errors

OUTPUTS = ("log_probabilities", "edge", "centering", "scores")
# Maximum difference of a probability; summing in a different order changes it by a few millionths.
TOLERANCE = 1e-4
# (front, back): both sides, either, none.
SIDE_COMBINATIONS = ((True, True), (True, False), (False, True), (False, False))
ONNX_ERRORS = (
    *(errors.EPFail, errors.Fail, errors.InvalidArgument, errors.InvalidGraph, errors.InvalidProtobuf),
    *(errors.NoModel, errors.NoSuchFile, errors.NotImplemented, errors.RuntimeException),
)


class BadGraph(BadInput):
    """An ONNX graph that cannot be exported, cannot be read or differs from its model."""


class ExportGraph(nn.Module):
    """The exported module: the network, masked to the sides it uses, and the log-probabilities of its grade head."""

    looked_at: Tensor

    def __init__(self, model: LoadedModel, names: Sequence[str]) -> None:
        """names: input names, in order."""
        super().__init__()
        self.names = tuple(names)
        self.network = to_exportable(model.network)
        self.register_buffer("looked_at", used_sides(model))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Inputs of the file -> outputs in the order of OUTPUTS."""
        by_name = dict(zip(self.names, inputs, strict=True))
        by_name["present"] = by_name["present"] & self.looked_at
        if "measured" in by_name:
            mask = by_name["present"][:, :, None, None]
            by_name["measured"] = torch.where(mask, by_name["measured"], torch.zeros_like(by_name["measured"]))
        scores = self.network(**by_name)
        return self.network.grade.log_probabilities(scores.grade), scores.edge, scores.centering, scores.grade


class OnnxSession:
    """An onnxruntime session on the CPU, with as many threads as torch uses."""

    def __init__(self, path: Path) -> None:
        """Load an ONNX file. Raises BadGraph."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        # Threads that spin while waiting starve other processes; see launch.py for torch's threads.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except ONNX_ERRORS as error:
            raise BadGraph(f"{path}: not an ONNX graph that onnxruntime can read; export the model again") from error

    def __call__(self, inputs: Inputs) -> dict[str, np.ndarray]:
        """Compute the outputs by name, each float32."""
        arrays = {name: value.contiguous().numpy() for name, value in named_inputs(inputs).items()}
        return dict(zip(OUTPUTS, self._session.run(OUTPUTS, arrays), strict=True))

    def scores(self, inputs: Inputs) -> Scores:
        """Compute the outputs in the form of `DualBranch.forward`."""
        outputs = self(inputs)
        return Scores(*(torch.from_numpy(outputs[name]) for name in ("scores", "edge", "centering")))


def named_inputs(inputs: Inputs) -> dict[str, Tensor]:
    """The inputs that are not None, by name."""
    return {name: value for name, value in inputs._asdict().items() if value is not None}


def export(model: LoadedModel, path: Path) -> float:
    """Export a model on the CPU to an ONNX file, atomically; returns the largest difference from torch.

    Raises BadGraph, without writing the file, if the export fails or differs by more than TOLERANCE.
    """
    with atomic_write(path, shared=True) as part:
        _write(model, part)
        return verify(model, OnnxSession(part), path)


def _write(model: LoadedModel, path: Path) -> None:
    example = named_inputs(random_inputs(model, SIDE_COMBINATIONS[:2]))
    # The batch dimension is named once; the exporter infers that all inputs share it.
    dynamic_shapes = ({0: "cards"}, *({0: torch.export.Dim.DYNAMIC} for _ in list(example)[1:]))
    try:
        program = torch.onnx.export(
            ExportGraph(model, list(example)).eval(),
            tuple(example.values()),
            input_names=list(example),
            output_names=OUTPUTS,
            dynamic_shapes=(dynamic_shapes,),
            verbose=False,
        )
    except torch.onnx.OnnxExporterError as error:
        raise BadGraph(
            f"{model.name}: torch {torch.__version__} cannot export it to ONNX; use the model.pt itself"
        ) from error
    assert program is not None, "without a file name the program is returned"
    program.model.metadata_props.update(_metadata(model))
    program.save(path, external_data=False)


def _metadata(model: LoadedModel) -> dict[str, str]:
    return {
        "loupe.name": model.name,
        "loupe.trained_on": model.trained_on,
        "loupe.config": model.config.model_dump_json(),
        "loupe.grades": json.dumps(list(range(1, 11))),
    }


def verify(model: LoadedModel, session: OnnxSession, path: Path) -> float:
    """Return the largest difference from torch of any probability or centering fraction, on noise.

    All combinations of sides are tested. Raises BadGraph if the difference exceeds TOLERANCE.
    """
    difference = max(_difference(model, session, present) for present in (SIDE_COMBINATIONS, SIDE_COMBINATIONS[:1]))
    if not difference <= TOLERANCE:
        raise BadGraph(
            f"{path}: the ONNX graph of {model.name} differs from the model by {difference:.2g} in a probability, more "
            f"than {TOLERANCE:g}; use the model.pt itself"
        )
    return difference


def _difference(model: LoadedModel, session: OnnxSession, present: Sequence[tuple[bool, bool]]) -> float:
    network = model.network
    used = (torch.tensor(present) & used_sides(model)).tolist()
    with torch.inference_mode():
        scores = network(*random_inputs(model, used))
        probabilities = network.grade.log_probabilities(scores.grade).exp()
    outputs = session(random_inputs(model, present))
    expected = (probabilities, scores.edge.sigmoid(), scores.centering)
    actual = (np.exp(outputs["log_probabilities"]), 1 / (1 + np.exp(-outputs["edge"])), outputs["centering"])
    return max(float(np.abs(tensor.numpy() - array).max()) for tensor, array in zip(expected, actual, strict=True))


def used_sides(model: LoadedModel) -> Tensor:
    """(2,) bool: the model uses fronts, backs."""
    front, back = model.sides
    return torch.tensor([front and model.phase != 1, back])


def random_inputs(model: LoadedModel, present: Sequence[tuple[bool, bool]]) -> Inputs:
    """Build network inputs from pictures of noise, (len(present), ...) each; the noise does not depend on `present`."""
    random, shape = np.random.default_rng(0), model.config.canvas_shape
    batch: PictureBatch = {
        "canvases": _noise(random, (len(present), 2, *shape, 3)),
        "present": torch.tensor(present),
    }
    if model.config.regions:
        batch["regions"] = _noise(random, (len(present), 2, REGION_COUNT, REGION_PIXELS, 3))
    if model.config.use_measurements:
        measurements = random.normal(size=(len(present), 2, len(FEATURE_NAMES))).astype(np.float32)
        # Real measurements have gaps too.
        measurements[random.random(measurements.shape) < 0.3] = np.nan
        batch["measured"] = torch.from_numpy(measurements)
    return model_input(batch, model.config, 2, torch.device("cpu"))


def _noise(random: np.random.Generator, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(random.integers(0, 256, shape, dtype=np.uint8))
