"""ONNX export: outputs of onnxruntime against torch, and refused files."""

import copy
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from engine.inference import onnx_export
from engine.inference.load_model import load_model
from engine.inference.onnx_export import (
    SIDE_COMBINATIONS,
    TOLERANCE,
    BadGraph,
    OnnxSession,
    export,
    named_inputs,
    random_inputs,
)
from engine.measure.side.features import FEATURE_NAMES
from tests.engine.conftest import saved_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model with all optional inputs and the ordinal head, whose log-probabilities are not a softmax."""
    path = tmp_path_factory.mktemp("onnx") / "model.pt"
    small = {"front_encoder": "resnet18", "back_encoder": "resnet18"}
    return load_model(saved_model(path, loss="ordinal", regions=True, use_measurements=True, **small), "cpu")


@pytest.fixture(scope="module")
def graph(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    return path, export(model, path)


def test_the_file_is_a_valid_graph_for_any_number_of_cards(graph, model):
    onnx.checker.check_model(graph[0], full_check=True)
    session = onnxruntime.InferenceSession(graph[0], providers=["CPUExecutionProvider"])
    assert {tensor.name: tensor.shape for tensor in session.get_inputs()} == {
        "front": ["cards", 6, 64, 64],
        "back": ["cards", 6, 64, 64],
        "present": ["cards", 2],
        "regions": ["cards", 2, 8, 3, 9216],
        "measured": ["cards", 2, 2, len(FEATURE_NAMES)],
    }
    assert {tensor.name: tensor.shape for tensor in session.get_outputs()} == {
        "log_probabilities": ["cards", 10],
        "edge": ["cards"],
        "centering": ["cards", 2],
        "scores": ["cards", 9],
    }
    assert session.get_modelmeta().custom_metadata_map["loupe.trained_on"] == model.trained_on
    assert list(graph[0].parent.iterdir()) == [graph[0]]


@pytest.mark.parametrize("cards", [1, 2, 7])
def test_its_outputs_equal_those_of_torch_whichever_sides_are_missing(graph, model, cards):
    inputs = random_inputs(model, [SIDE_COMBINATIONS[index % 4] for index in range(cards)])
    outputs = OnnxSession(graph[0])(inputs)
    with torch.inference_mode():
        scores = model.network(*inputs)
        expected = model.network.grade.log_probabilities(scores.grade).exp()
    np.testing.assert_allclose(np.exp(outputs["log_probabilities"]), expected, atol=1e-5)
    np.testing.assert_allclose(outputs["edge"], scores.edge, atol=1e-4)
    np.testing.assert_allclose(outputs["centering"], scores.centering, atol=1e-5)
    for actual, expected_tensor in zip(OnnxSession(graph[0]).scores(inputs), scores, strict=True):
        torch.testing.assert_close(actual, expected_tensor, atol=1e-4, rtol=1e-4)


def test_the_returned_difference_is_that_of_the_probabilities(graph):
    assert 0 < graph[1] < TOLERANCE / 10


def test_a_side_never_trained_on_and_the_front_of_phase_1_are_ignored(model):
    for sides, phase, expected in (((True, False), 2, (True, False)), ((True, True), 1, (False, True))):
        one_sided = replace(model, sides=sides, phase=phase)
        inputs = named_inputs(random_inputs(one_sided, SIDE_COMBINATIONS[:1]))
        with torch.inference_mode():
            outputs = onnx_export.ExportGraph(one_sided, list(inputs)).eval()(*inputs.values())
            reference = model.network(*random_inputs(one_sided, [expected]))
        torch.testing.assert_close(outputs[3], reference.grade, atol=1e-5, rtol=1e-5)


def test_a_graph_of_another_model_is_refused_with_the_difference(graph, model):
    other_model = replace(model, network=copy.deepcopy(model.network))
    with torch.no_grad():
        other_model.network.grade.first += 1
    with pytest.raises(BadGraph, match=r"model\.onnx: the ONNX graph of drawn differs .* more than 0\.0001"):
        onnx_export.verify(other_model, OnnxSession(graph[0]), graph[0])


def test_an_export_beyond_the_tolerance_leaves_no_file(model, graph, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export, "TOLERANCE", -1.0)
    monkeypatch.setattr(onnx_export, "_write", lambda model, path: path.write_bytes(graph[0].read_bytes()))
    with pytest.raises(BadGraph, match=r"use the model\.pt itself"):
        export(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_graph_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "noise.onnx").write_bytes(b"no graph")
    for name in ("noise.onnx", "absent.onnx"):
        with pytest.raises(BadGraph, match=rf"{name}: not an ONNX graph"):
            OnnxSession(tmp_path / name)


def test_onnxruntime_opens_no_session_of_usage_statistics(tmp_path):
    # Such a session leaves the file `.ses` behind as soon as onnxruntime is imported.
    variables = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    command = [sys.executable, "-c", "import engine.inference.onnx_export"]
    subprocess.run(command, env={**variables, "TMPDIR": str(tmp_path)}, check=True)
    assert not list(tmp_path.glob("*.ses"))
