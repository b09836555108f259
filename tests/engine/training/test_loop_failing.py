"""A run ends with a one-sentence error on a non-finite number or by a stop_if rule."""

import json

import pytest
import torch

from engine.data.inputs import Inputs
from engine.data.selection import NoCards
from engine.events import EpochDone, Finished
from engine.experiments import plans
from engine.experiments.plans import ExperimentPlan
from engine.inference import evaluate as evaluation
from engine.model.losses import Objective
from engine.thresholds import parse_conditions
from engine.training import optimizer
from engine.training.loop import TrainingFailed, resume, train
from tests.engine.training_helpers import config, events_of, run

pytestmark = pytest.mark.usefixtures("no_fsync")


@pytest.fixture
def poisoned(monkeypatch):
    """Replace the pictures by NaN from the sixth batch on."""
    plain, calls = optimizer.mix, []

    def mix(inputs, targets, alpha, random):
        calls.append(1)
        inputs, targets = plain(inputs, targets, alpha, random)
        return (Inputs(inputs.front * torch.nan, *inputs[1:]) if len(calls) >= 6 else inputs), targets

    monkeypatch.setattr(optimizer, "mix", mix)


def test_a_non_finite_loss_ends_the_run_naming_epoch_and_batch(tmp_path, cards, prepared, poisoned):
    both_sides = [card for card in cards if card.front and card.back]
    with pytest.raises(TrainingFailed, match=r"^the loss became nan in epoch 2, batch 3; lower the learning rate$"):
        run(config(phase2_epochs=2), both_sides, tmp_path / "run", prepared)
    assert torch.load(tmp_path / "run/last.ckpt", weights_only=True)["state"]["epoch"] == 2


def test_a_non_finite_gradient_ends_the_run_before_the_weights_change(tmp_path, cards, prepared, monkeypatch):
    plain = Objective.forward

    def steep(self, scores, *targets):
        # The square root is 0 at 0, with infinite slope.
        return plain(self, scores, *targets) + (scores.edge - scores.edge.detach()).sqrt()

    monkeypatch.setattr(Objective, "forward", steep)
    with pytest.raises(TrainingFailed, match=r"^the gradient became (nan|inf) in epoch 1, batch 1; lower the learning"):
        run(config(), cards, tmp_path / "run", prepared)


@pytest.fixture
def third_unreadable(monkeypatch):
    """Replace the fronts of the third validation card and all later ones by NaN."""
    plain = evaluation.model_input

    def model_input(batch, *arguments):
        inputs = plain(batch, *arguments)
        return inputs._replace(front=inputs.front.where((batch["index"] < 2)[:, None, None, None], torch.nan))

    monkeypatch.setattr(evaluation, "model_input", model_input)


def test_a_non_finite_validation_loss_ends_the_run_naming_the_epoch_and_the_cards(
    tmp_path, cards, prepared, third_unreadable
):
    expected = r"^the validation loss of card 'val 2' and 1 more is not finite in epoch 1; lower the learning rate$"
    with pytest.raises(TrainingFailed, match=expected):
        run(config(), cards, tmp_path / "run", prepared)
    assert not (tmp_path / "run/model.pt").exists()


def test_a_stop_if_rule_ends_the_run_at_its_epoch_permanently(tmp_path, cards, prepared):
    settings = config(phase2_epochs=3, stop_if="val_loss>99@1, qwk<1.1@2", batch_size=10)
    plans.write_plan(
        tmp_path / "run", ExperimentPlan(expect=parse_conditions("qwk>=-1"), fail=parse_conditions(settings.stop_if))
    )
    events = []
    with pytest.raises(TrainingFailed, match=r"^epoch 2 fails the run by its rule qwk<1\.1@2: qwk is ") as failure:
        for event in train(settings, cards, tmp_path / "run", cache=prepared):
            events.append(event)
    assert [done.epoch for done in events_of(EpochDone, events)] == [1, 2]
    assert (tmp_path / "run/model.pt").is_file()
    verdict = json.loads((tmp_path / "run/ledger.json").read_text())["verdict"]
    assert (verdict["word"], verdict["expect"][0]["value"]) == ("failed", None)
    with pytest.raises(TrainingFailed) as again:
        list(resume(tmp_path / "run", cache=prepared))
    assert str(again.value) == str(failure.value)


def test_a_stop_if_rule_that_is_not_met_changes_nothing(tmp_path, cards, prepared):
    events = run(config(stop_if="qwk<-1@1", batch_size=10), cards, tmp_path / "run", prepared)
    assert isinstance(events[-1], Finished)


@pytest.mark.parametrize(("split", "word"), [("train", "training"), ("val", "validation")])
def test_without_cards_in_a_split_the_run_is_refused_with_one_message(tmp_path, cards, prepared, split, word):
    rest = [card for card in cards if card.split != split]
    with pytest.raises(NoCards, match=f"no card is left for {word}; label more cards, so that the {split} split has"):
        run(config(), rest, tmp_path / "run", prepared)
