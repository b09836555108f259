"""Inference with onnxruntime: used only if faster, equal to torch, and falls back to torch with a message."""

from dataclasses import replace

import pytest
import torch

from engine.inference import onnx_runtime
from engine.inference.evaluate import evaluate
from engine.inference.load_model import load_model
from engine.inference.onnx_export import SIDE_COMBINATIONS, TOLERANCE, BadGraph, random_inputs
from engine.inference.onnx_runtime import MIN_CARDS_TO_EXPORT, MIN_CARDS_TO_OPEN, OnnxNetwork, with_onnx_runtime
from engine.inference.predict import predict
from tests.engine.conftest import saved_model

pytestmark = pytest.mark.slow

SHA = "0" * 64


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    small = {"front_encoder": "resnet18", "back_encoder": "resnet18"}
    return load_model(saved_model(tmp_path_factory.mktemp("onnx") / "model.pt", loss="ordinal", **small), "cpu")


@pytest.fixture(scope="module")
def graphs(model, tmp_path_factory):
    """A folder with the model's graph, as written by the first call."""
    folder = tmp_path_factory.mktemp("cache") / "graphs"
    enable_onnx(model, folder, cards=MIN_CARDS_TO_EXPORT)
    return folder


@pytest.fixture
def always_faster(monkeypatch):
    monkeypatch.setattr(onnx_runtime, "is_faster", lambda network, model, cards: True)


def enable_onnx(model, folder, cards, messages=None):
    messages = [] if messages is None else messages
    return with_onnx_runtime(model, sha256=SHA, cards=cards, batch=4, folder=folder, notify=messages.append)


def test_few_cards_are_not_worth_a_graph(model, graphs, tmp_path):
    assert enable_onnx(model, tmp_path / "graphs", MIN_CARDS_TO_EXPORT - 1) is model
    assert not (tmp_path / "graphs").exists()
    assert enable_onnx(model, graphs, MIN_CARDS_TO_OPEN - 1) is model


@pytest.mark.usefixtures("always_faster")
def test_many_cards_use_a_graph_that_is_exported_once_and_torch_computes_cards_with_a_missing_side(
    model, graphs, monkeypatch
):
    monkeypatch.setattr(onnx_runtime, "export", lambda *_: pytest.fail("the graph is there"))
    accelerated = enable_onnx(model, graphs, MIN_CARDS_TO_OPEN)
    assert isinstance(accelerated.forward_module, OnnxNetwork)
    assert [path.name for path in graphs.iterdir()] == [f"{SHA}-{onnx_runtime.VERSION}.onnx"]
    calls = []
    monkeypatch.setattr(
        accelerated.forward_module.session, "scores", lambda inputs: calls.append(inputs) or model.network(*inputs)
    )
    for present in SIDE_COMBINATIONS:
        predict(accelerated, random_inputs(model, [present]))
    assert [inputs.present.tolist() for inputs in calls] == [[[True, True]]]


@pytest.mark.usefixtures("always_faster")
def test_evaluation_gives_the_metrics_of_torch(model, graphs, cards, prepared):
    accelerated = enable_onnx(model, graphs, MIN_CARDS_TO_EXPORT)
    *_, metrics = evaluate(accelerated, cards, prepared)
    *_, torch_metrics = evaluate(model, cards, prepared)
    assert metrics["confusion"] == torch_metrics["confusion"]
    assert metrics["ece"] == pytest.approx(torch_metrics["ece"], abs=TOLERANCE)
    inputs = random_inputs(model, SIDE_COMBINATIONS[:1])
    assert abs(predict(accelerated, inputs).probabilities - predict(model, inputs).probabilities).max() < TOLERANCE


def test_torch_is_used_if_it_is_faster(model, graphs, monkeypatch):
    monkeypatch.setattr(onnx_runtime, "is_faster", lambda network, model, cards: False)
    assert enable_onnx(model, graphs, MIN_CARDS_TO_EXPORT) is model


def test_the_faster_of_two_is_found_by_timing_them(model):
    def slow(*inputs):
        deadline = torch.zeros(1)
        for _ in range(3):
            deadline = model.network(*inputs).grade
        return deadline

    assert not onnx_runtime.is_faster(slow, model, 2)
    assert onnx_runtime.is_faster(lambda *inputs: None, model, 2)


def test_a_graph_that_differs_or_cannot_be_written_gives_one_message_and_torch_is_used(
    model, graphs, monkeypatch, tmp_path
):
    messages = []
    other_model = replace(
        model, network=load_model(saved_model(tmp_path / "other.pt", seed=4, loss="ordinal"), "cpu").network
    )
    assert enable_onnx(other_model, graphs, MIN_CARDS_TO_EXPORT, messages) is other_model
    (tmp_path / "graphs").touch()
    assert enable_onnx(model, tmp_path / "graphs", MIN_CARDS_TO_EXPORT, messages) is model
    monkeypatch.setattr(onnx_runtime, "export", lambda model, path: (_ for _ in ()).throw(BadGraph("torch cannot")))
    assert enable_onnx(model, tmp_path / "new", MIN_CARDS_TO_EXPORT, messages) is model
    assert len(messages) == 3
    assert all(line.startswith("using torch instead of onnxruntime") for line in messages)


def test_a_model_that_uses_one_side_only_runs_with_torch(model, tmp_path):
    for one_sided in (replace(model, sides=(False, True)), replace(model, phase=1)):
        assert enable_onnx(one_sided, tmp_path / "graphs", MIN_CARDS_TO_EXPORT) is one_sided
    assert list(tmp_path.iterdir()) == []
