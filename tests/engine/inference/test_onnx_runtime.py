"""Reading many cards by onnxruntime: when it is taken, that it says the same, and what is said where it cannot be."""

from dataclasses import replace

import pytest
import torch

from engine.inference import onnx_runtime as reading
from engine.inference.evaluate import evaluate
from engine.inference.loaded_model import load_model
from engine.inference.onnx_export import PRESENT, TOLERANCE, BadGraph, random_inputs
from engine.inference.onnx_runtime import OPENING_PAYS, WRITING_PAYS, OnnxNetwork, quicker
from engine.inference.predict import predict
from tests.engine.conftest import saved_model

SHA = "0" * 64


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    small = {"front_encoder": "resnet18", "back_encoder": "resnet18"}
    return load_model(saved_model(tmp_path_factory.mktemp("quicker") / "model.pt", loss="ordinal", **small), "cpu")


@pytest.fixture(scope="module")
def graphs(model, tmp_path_factory):
    """A folder that holds the model's graph, as the first call leaves it."""
    folder = tmp_path_factory.mktemp("cache") / "graphs"
    asked(model, folder, cards=WRITING_PAYS)
    return folder


@pytest.fixture
def always_faster(monkeypatch):
    monkeypatch.setattr(reading, "wins", lambda reader, model, cards: True)


def asked(model, folder, cards, said=None):
    told = [] if said is None else said
    return quicker(model, sha256=SHA, cards=cards, batch=4, folder=folder, say=told.append)


def test_few_cards_are_not_worth_a_graph(model, graphs, tmp_path):
    assert asked(model, tmp_path / "graphs", WRITING_PAYS - 1) is model
    assert not (tmp_path / "graphs").exists()
    assert asked(model, graphs, OPENING_PAYS - 1) is model


@pytest.mark.usefixtures("always_faster")
def test_many_are_read_by_a_graph_that_is_written_once_and_torch_takes_the_cards_with_a_missing_side(
    model, graphs, monkeypatch
):
    monkeypatch.setattr(reading, "export", lambda *_: pytest.fail("the graph is there"))
    quick = asked(model, graphs, OPENING_PAYS)
    assert isinstance(quick.reads, OnnxNetwork)
    assert [path.name for path in graphs.iterdir()] == [f"{SHA}-{reading.VERSION}.onnx"]
    asked_of = []
    monkeypatch.setattr(quick.reads.session, "scores", lambda inputs: asked_of.append(inputs) or model.network(*inputs))
    for present in PRESENT:
        predict(quick, random_inputs(model, [present]))
    assert [inputs.present.tolist() for inputs in asked_of] == [[[True, True]]]


@pytest.mark.usefixtures("always_faster")
def test_evaluation_gives_the_figures_that_torch_gives(model, graphs, cards, prepared):
    quick = asked(model, graphs, WRITING_PAYS)
    *_, ours = evaluate(quick, cards, prepared)
    *_, torch_s = evaluate(model, cards, prepared)
    assert ours["confusion"] == torch_s["confusion"]
    assert ours["ece"] == pytest.approx(torch_s["ece"], abs=TOLERANCE)
    inputs = random_inputs(model, PRESENT[:1])
    assert abs(predict(quick, inputs).probabilities - predict(model, inputs).probabilities).max() < TOLERANCE


def test_where_torch_is_faster_torch_reads(model, graphs, monkeypatch):
    monkeypatch.setattr(reading, "wins", lambda reader, model, cards: False)
    assert asked(model, graphs, WRITING_PAYS) is model


def test_the_faster_of_two_is_found_by_timing_them(model):
    def slow(*inputs):
        deadline = torch.zeros(1)
        for _ in range(3):
            deadline = model.network(*inputs).grade
        return deadline

    assert not reading.wins(slow, model, 2)
    assert reading.wins(lambda *inputs: None, model, 2)


def test_a_graph_that_differs_or_cannot_be_written_is_said_once_and_torch_reads(model, graphs, monkeypatch, tmp_path):
    said = []
    other = replace(
        model, network=load_model(saved_model(tmp_path / "other.pt", seed=4, loss="ordinal"), "cpu").network
    )
    assert asked(other, graphs, WRITING_PAYS, said) is other
    (tmp_path / "graphs").touch()
    assert asked(model, tmp_path / "graphs", WRITING_PAYS, said) is model
    monkeypatch.setattr(reading, "export", lambda model, path: (_ for _ in ()).throw(BadGraph("torch cannot")))
    assert asked(model, tmp_path / "new", WRITING_PAYS, said) is model
    assert len(said) == 3
    assert all(line.startswith("torch computes, and not onnxruntime") for line in said)


def test_a_model_that_reads_one_side_alone_is_read_by_torch(model, tmp_path):
    for one_sided in (replace(model, sides=(False, True)), replace(model, phase=1)):
        assert asked(one_sided, tmp_path / "graphs", WRITING_PAYS) is one_sided
    assert list(tmp_path.iterdir()) == []
