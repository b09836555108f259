"""A batch that does not fit into memory is computed in parts."""

import pytest
import torch

from engine.device import is_out_of_memory
from engine.events import Finished, Notice
from engine.model.dual_branch import DualBranch
from engine.training.loop import TrainingFailed, resume
from tests.engine.training_helpers import FEW_CARDS, config, events_of, run, run_for

pytestmark = pytest.mark.usefixtures("no_fsync")


def limit_memory(cards, monkeypatch, sizes=None):
    """Simulate memory for at most `cards` cards at once; `sizes` records the number of cards of each forward pass."""
    plain = DualBranch.forward

    def forward(self, front, *arguments):
        if self.training and sizes is not None:
            sizes.append(len(front))
        if self.training and len(front) > cards:
            torch.empty(1 << 62, dtype=torch.uint8)  # raises the allocator's error
        return plain(self, front, *arguments)

    monkeypatch.setattr(DualBranch, "forward", forward)


def test_a_batch_too_large_for_memory_is_computed_in_parts_with_the_same_result(tmp_path, cards, prepared, monkeypatch):
    with monkeypatch.context() as small:
        sizes = []
        limit_memory(3, small, sizes)
        events = run_for(1, config(batch_size=10, ema_decay=0.9), cards, tmp_path / "run", prepared)
        assert sizes == [10, 5, 3, 3, 2, 2]
        halved = [notice.text for notice in events_of(Notice, events) if notice.text not in FEW_CARDS]
        assert [text.split(":")[0] for text in halved] == [
            "not enough memory for 10 cards at once",
            "not enough memory for 5 cards at once",
        ]
        assert all("accumulated to a batch of 10; batch normalization uses" in text for text in halved)
        sizes.clear()
        assert isinstance(list(resume(tmp_path / "run", cache=prepared))[-1], Finished)
        assert sizes == []
    state = torch.load(tmp_path / "run/last.ckpt", weights_only=True)["state"]
    assert (state["cards_at_once"], state["steps"]) == (3, 1)


def test_a_resumed_run_keeps_the_reduced_number_of_cards_at_once(tmp_path, cards, prepared, monkeypatch):
    sizes = []
    limit_memory(6, monkeypatch, sizes)
    run_for(1, config(batch_size=10, phase2_epochs=2), cards, tmp_path / "run", prepared)
    sizes.clear()
    list(resume(tmp_path / "run", cache=prepared))
    assert sizes == [5, 5]


def test_without_batch_statistics_the_gradient_in_parts_equals_that_of_the_whole_batch(
    tmp_path, cards, prepared, monkeypatch
):
    # Only without batch normalization do the parts add up to the whole: its statistics are those of each part.
    monkeypatch.setattr(torch.nn.BatchNorm2d, "forward", lambda self, x: x)
    settings = config(batch_size=10, dropout=0.0, lr_phase2=1e-6)
    states = []
    for max_cards in (10, 3):
        with monkeypatch.context() as small:
            limit_memory(max_cards, small)
            run(settings, cards, tmp_path / f"{max_cards}", prepared)
        states.append(torch.load(tmp_path / f"{max_cards}/last.ckpt", weights_only=True)["optimizer"]["state"])
    for whole, parts in zip(*(state.values() for state in states), strict=True):
        scale = float(whole["exp_avg"].abs().max())
        torch.testing.assert_close(parts["exp_avg"], whole["exp_avg"], rtol=1e-3, atol=1e-5 * scale + 1e-12)


def test_too_little_memory_for_one_card_ends_the_run_with_a_message(tmp_path, cards, prepared, monkeypatch):
    limit_memory(0, monkeypatch)
    with pytest.raises(TrainingFailed, match=r"^not enough memory for one card of 64 px; lower image_size$"):
        run(config(batch_size=4), cards, tmp_path / "run", prepared)


def test_other_errors_are_not_treated_as_out_of_memory(tmp_path, cards, prepared, monkeypatch):
    def broken(self, *inputs):
        raise RuntimeError("sizes do not match")

    monkeypatch.setattr(DualBranch, "forward", broken)
    with pytest.raises(RuntimeError, match="sizes do not match"):
        run(config(), cards, tmp_path / "run", prepared)


def test_a_gpu_s_out_of_memory_error_is_recognized():
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert not is_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))
