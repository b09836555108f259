"""8-bit quantization: errors of at most half a step, and equal to torch's rounding."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.inference.load_model import load_model
from engine.inference.onnx_export import random_inputs
from engine.model.dual_branch import DualBranch
from engine.recipes import recipe_config
from engine.storage import checkpoint
from engine.storage.checkpoint import BadModel
from engine.storage.quantization import (
    dequantize_state_dict,
    dequantize_tensor,
    is_quantized,
    quantize_state_dict,
    quantize_tensor,
)
from tests.engine.conftest import EFFICIENTNET_LITE, saved_model

SHAPES = [(64, 64), (1, 4096), (4096, 1), (7, 13, 5, 11), (16, 6, 7, 7), (3, 5, 1, 1)]


def weights_of(shape, seed=0, spread=1.0):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, spread, shape).astype(np.float32))


@pytest.mark.parametrize("shape", SHAPES)
def test_no_weight_changes_by_more_than_half_its_channel_s_step(shape):
    weights = weights_of(shape)
    whole, steps = quantize_tensor(weights)
    assert (whole.dtype, whole.shape, steps.shape) == (torch.int8, weights.shape, (shape[0],))
    error = (dequantize_tensor(whole, steps) - weights).abs().flatten(1).amax(dim=1)
    largest = weights.abs().flatten(1).amax(dim=1)
    torch.testing.assert_close(steps, largest / 127)
    assert (error <= steps / 2 * (1 + 1e-4)).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False), min_size=1, max_size=40))
def test_the_error_bound_holds_for_any_weights_and_all_stay_finite(values):
    weights = torch.tensor([values, [0.0] * len(values)])
    weights[weights.abs() < 2.0**-100] = 0  # a step must have all its digits
    whole, steps = quantize_tensor(weights)
    back = dequantize_tensor(whole, steps)
    assert back.isfinite().all()
    assert ((back - weights).abs() <= steps[:, None].double() / 2 * (1 + 1e-4)).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_the_integers_are_those_of_torch_s_rounding(shape):
    weights = weights_of(shape, seed=3, spread=0.02)
    whole, steps = quantize_tensor(weights)
    zero_points = torch.zeros(shape[0], dtype=torch.int32)
    expected = torch.fake_quantize_per_channel_affine(weights, steps, zero_points, 0, -128, 127)
    difference = (dequantize_tensor(whole, steps) - expected).abs().flatten(1) / steps[:, None]
    # torch multiplies by the inverse of a step, so a tie may be rounded either way.
    assert difference.max() < 1.001
    assert (difference < 0.001).float().mean() > 0.999


def test_a_channel_of_zeros_stays_zero_and_the_worked_example_is_right():
    whole, steps = quantize_tensor(torch.tensor([[0.0, 0.0, 0.0], [1.0, -0.5, 0.001]]))
    assert whole.tolist() == [[0, 0, 0], [127, -64, 0]]
    assert dequantize_tensor(whole, steps)[0].tolist() == [0, 0, 0]
    assert steps.tolist() == [1.0, pytest.approx(1 / 127)]


def test_small_tensors_counts_and_vectors_are_unchanged():
    weights = {
        "conv.weight": weights_of((64, 64)),
        "small.weight": weights_of((8, 8)),
        "norm.weight": weights_of((5000,)),
        "norm.num_batches_tracked": torch.tensor(7),
    }
    assert [name for name, tensor in weights.items() if is_quantized(tensor)] == ["conv.weight"]
    unquantized, quantized = quantize_state_dict(weights)
    assert set(unquantized) == set(weights) - {"conv.weight"}
    restored = dequantize_state_dict(unquantized, quantized)
    assert set(restored) == set(weights)
    assert all(torch.equal(restored[name], weights[name]) for name in unquantized)
    # Quantizing again changes nothing: the values are on the grid.
    assert torch.equal(quantize_state_dict(restored)[1]["whole"]["conv.weight"], quantized["whole"]["conv.weight"])


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, EFFICIENTNET_LITE], ids=["mobilenet_v2", "efficientnet_lite"])
def test_an_8_bit_model_is_loaded_like_any_other_and_hardly_differs(tmp_path, settings):
    path = saved_model(tmp_path / "model.pt", loss="ordinal", **settings)
    checkpoint.save_quantized(tmp_path / "eight.pt", checkpoint.load(path))
    # Depthwise kernels, biases and batch statistics stay in float.
    assert (tmp_path / "eight.pt").stat().st_size < 0.29 * path.stat().st_size
    full, eight = load_model(path, "cpu"), load_model(tmp_path / "eight.pt", "cpu")
    assert (eight.config, eight.sides, eight.trained_on) == (full.config, full.sides, full.trained_on)
    assert {value.dtype for value in eight.network.state_dict().values()} == {torch.float32, torch.int64}
    inputs = random_inputs(full, [(True, True)] * 4)
    with torch.inference_mode():
        answers = [m.network.grade.log_probabilities(m.network(*inputs).grade).exp() for m in (full, eight)]
    assert (answers[0] - answers[1]).abs().max() < 0.02
    assert not torch.equal(answers[0], answers[1])


def test_the_starter_s_networks_need_less_than_34_megabytes(tmp_path):
    config = recipe_config("loupe")
    assert (config.front_encoder, config.back_encoder) == ("resnet18", "resnet34")
    checkpoint.save_quantized(tmp_path / "model.pt", {"model": DualBranch(config).state_dict()})
    assert (tmp_path / "model.pt").stat().st_size < 34e6


def test_8_bit_weights_without_their_steps_are_refused(tmp_path):
    unquantized, quantized = quantize_state_dict({"a": weights_of((64, 64))})
    checkpoint.save(tmp_path / "m.pt", {"model": unquantized, "eight_bits": {**quantized, "steps": {}}})
    with pytest.raises(BadModel, match=r"m\.pt: its 8-bit weights are damaged"):
        checkpoint.load(tmp_path / "m.pt")
