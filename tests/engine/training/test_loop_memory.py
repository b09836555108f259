"""What memory does not hold at once is computed in parts."""

import pytest
import torch

from engine.device import out_of_memory
from engine.events import Finished, Notice
from engine.model.dual_branch import DualBranch
from engine.training.loop import TrainingFailed, resume
from tests.engine.training_helpers import UNCALIBRATED, config, of, run, run_for

pytestmark = pytest.mark.usefixtures("quick_disk")


def holding_no_more_than(cards, monkeypatch, asked=None):
    """A machine whose memory holds so many cards at once; `asked` notes how many each step tried."""
    plain = DualBranch.forward

    def forward(self, front, *others):
        if self.training and asked is not None:
            asked.append(len(front))
        if self.training and len(front) > cards:
            torch.empty(1 << 62, dtype=torch.uint8)  # the allocator's own refusal
        return plain(self, front, *others)

    monkeypatch.setattr(DualBranch, "forward", forward)


def test_a_batch_that_memory_does_not_hold_is_computed_in_parts_and_still_is_one_batch(
    tmp_path, cards, prepared, monkeypatch
):
    with monkeypatch.context() as small:
        asked = []
        holding_no_more_than(3, small, asked)
        events = run_for(1, config(batch_size=10, ema_decay=0.9), cards, tmp_path / "run", prepared)
        assert asked == [10, 5, 3, 3, 2, 2]
        halved = [notice.text for notice in of(Notice, events) if notice.text != UNCALIBRATED]
        assert [text.split(":")[0] for text in halved] == [
            "memory did not hold 10 cards at once",
            "memory did not hold 5 cards at once",
        ]
        assert all("added up to those of a batch of 10; batch normalisation sees" in text for text in halved)
        asked.clear()
        assert isinstance(list(resume(tmp_path / "run", cache=prepared))[-1], Finished)
        assert asked == []
    state = torch.load(tmp_path / "run/last.ckpt", weights_only=True)["state"]
    assert (state["cards_at_once"], state["steps"]) == (3, 1)


def test_a_resumed_run_does_not_try_again_what_memory_did_not_hold(tmp_path, cards, prepared, monkeypatch):
    asked = []
    holding_no_more_than(6, monkeypatch, asked)
    run_for(1, config(batch_size=10, phase2_epochs=2), cards, tmp_path / "run", prepared)
    asked.clear()
    list(resume(tmp_path / "run", cache=prepared))
    assert asked == [5, 5]


def test_the_gradient_of_a_batch_in_parts_is_that_of_the_whole_where_no_card_sees_another(
    tmp_path, cards, prepared, monkeypatch
):
    # Without batch statistics the parts add up to the whole; with them each part has its own, as the notice says.
    monkeypatch.setattr(torch.nn.BatchNorm2d, "forward", lambda self, x: x)
    settings = config(batch_size=10, dropout=0.0, lr_phase2=1e-6)
    learned = []
    for most in (10, 3):
        with monkeypatch.context() as small:
            holding_no_more_than(most, small)
            run(settings, cards, tmp_path / f"{most}", prepared)
        learned.append(torch.load(tmp_path / f"{most}/last.ckpt", weights_only=True)["optimizer"]["state"])
    for whole, parts in zip(*(state.values() for state in learned), strict=True):
        scale = float(whole["exp_avg"].abs().max())
        torch.testing.assert_close(parts["exp_avg"], whole["exp_avg"], rtol=1e-3, atol=1e-5 * scale + 1e-12)


def test_memory_that_holds_not_one_card_ends_the_run_in_a_sentence(tmp_path, cards, prepared, monkeypatch):
    holding_no_more_than(0, monkeypatch)
    with pytest.raises(TrainingFailed, match=r"^memory does not hold one card of 64 px; lower image_size$"):
        run(config(batch_size=4), cards, tmp_path / "run", prepared)


def test_another_error_than_memory_s_is_not_taken_for_it(tmp_path, cards, prepared, monkeypatch):
    def broken(self, *inputs):
        raise RuntimeError("sizes do not match")

    monkeypatch.setattr(DualBranch, "forward", broken)
    with pytest.raises(RuntimeError, match="sizes do not match"):
        run(config(), cards, tmp_path / "run", prepared)


def test_a_gpu_s_error_is_known_as_memory_s_too():
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert not out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))
