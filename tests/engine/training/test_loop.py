"""Training loop: a run learns, and uses the cards, phases and settings that it should."""

import numpy as np
import pytest
import torch

from engine.events import EpochDone, Finished, Notice, Progress
from engine.measure.side.features import FEATURE_NAMES
from engine.model.dual_branch import DualBranch
from engine.model.losses import Objective
from engine.model.measurement_branch import with_missing_mask
from engine.recipes import RECIPES, recipe, recipe_config
from engine.training import loop
from tests.engine.conftest import drawn_pairs
from tests.engine.training_helpers import FEW_CARDS, config, epoch_results, events_of, run

# Parents of the recorded runs.
PARENTS = {
    "original": None,
    "over_regularised": "original",
    "baseline": "over_regularised",
    "four_at_once": "baseline",
    "label_smoothing": "baseline",
    "ordinal": "baseline",
    "smoothing_capped": "label_smoothing",
    "smoothing_emd_05": "label_smoothing",
    "smoothing_15": "label_smoothing",
    "focal": "baseline",
    "loupe": "ordinal",
    "photographs": "ordinal",
}

pytestmark = pytest.mark.usefixtures("no_fsync")


@pytest.mark.slow
def test_eight_pairs_can_be_overfitted(tmp_path, tmp_path_factory, prepared):
    folder = tmp_path_factory.mktemp("eight")
    eight = drawn_pairs(folder, [1, 2, 4, 5, 6, 8, 9, 10], "train", 500)
    validation = drawn_pairs(folder, [1, 10], "val", 700)
    settings = config(
        phase2_epochs=20, batch_size=8, lr_phase2=1e-3, dropout=0.0, augment=False, schedule="constant", seed=1
    )
    *_, last = epochs = events_of(EpochDone, run(settings, [*eight, *validation], tmp_path / "run", prepared))
    assert last.train_metrics == {"qwk": 1.0, "exact": 1.0}
    assert last.train_loss < 0.1 * epochs[0].train_loss


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_s_network_can_be_built_and_run_at_its_image_size(name):
    original = recipe_config(name)
    assert original.image_size == ("704x512" if name == "photographs" else 224)
    network = DualBranch(original).eval()
    both = torch.ones(1, 2, dtype=torch.bool)
    measured = with_missing_mask(torch.rand(1, 2, len(FEATURE_NAMES)), both) if original.use_measurements else None
    with torch.no_grad():
        channels = 3 if original.channels == "rgb" else 6
        scores = network(*torch.rand(2, 1, channels, *original.canvas_shape), both, None, measured)
    assert scores.grade.shape == (1, 9 if original.loss == "ordinal" else 10)
    assert network.grade.log_probabilities(scores.grade).exp().sum().item() == pytest.approx(1, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains_two_steps(tmp_path, cards, prepared, name):
    original = recipe_config(name)
    phases = {
        "phase1_epochs": min(1, original.phase1_epochs),
        "phase2_epochs": 1 if original.phase1_epochs else 2,
    }
    # The rim pooling of `photographs` needs a card-shaped picture, and its stage its own encoders.
    is_small = original.pooling == "mean"
    encoders = {"front_encoder": "mobilenet_v2", "back_encoder": "mobilenet_v2"} if is_small else {}
    size = {"image_size": 64 if is_small else "320x224", "batch_size": 10, "device": "cpu", "pretrained": "none"}
    settings = recipe_config(name, {**encoders, **phases, **size})
    assert recipe(name).parent == PARENTS[name]
    events = run(settings, cards, tmp_path / "run", prepared)
    first, second = events_of(EpochDone, events)
    assert [first.phase, second.phase] == ([1, 2] if original.phase1_epochs else [2, 2])
    assert np.isfinite([first.train_loss, first.val_loss, second.train_loss, second.val_loss]).all()
    assert isinstance(events[-1], Finished)


@pytest.mark.slow
def test_a_run_with_regions_and_measured_targets_does_not_depend_on_who_filled_the_caches(tmp_path, cards):
    settings = config(regions=True, auxiliary_targets=True, mixup_alpha=0.3, side_dropout=0.3)
    first, second = (run(settings, cards, tmp_path / name, tmp_path / "prepared") for name in ("one", "two"))
    assert epoch_results(first) == epoch_results(second)
    steps = [event.step for event in events_of(Progress, first)]
    assert [step for step in dict.fromkeys(steps) if step != "pictures"] == [
        "regions",
        "measuring",
        "training",
        "validation",
    ]
    assert {event.step for event in events_of(Progress, second)} == {"training", "validation"}
    expected = "auxiliary targets of 14 cards: edge damage measured on 0, centering on 0"
    assert [notice.text for notice in events_of(Notice, first)] == [expected, *FEW_CARDS]


@pytest.mark.slow
def test_the_learning_rate_falls_on_a_plateau_and_every_epoch_reports_it(tmp_path, cards, prepared, monkeypatch):
    plain = loop.summarize

    def never_better(*arguments):
        metrics, loss, probabilities = plain(*arguments)
        return {**metrics, "qwk": 0.5, "rps": 0.1}, loss, probabilities

    monkeypatch.setattr(loop, "summarize", never_better)
    settings = config(phase2_epochs=10, batch_size=16, lr_phase2=4e-4)
    rates = [done.learning_rate for done in events_of(EpochDone, run(settings, cards, tmp_path / "run", prepared))]
    np.testing.assert_allclose(rates, [4e-4] * 5 + [2e-4] * 4 + [1e-4])


@pytest.mark.slow
def test_the_reported_losses_are_means_over_cards_not_over_batches(tmp_path, cards, prepared, monkeypatch):
    # The loss of each card is its grade; ten cards in batches of three leave one alone in the last.
    def costs_its_grade(self, scores, targets, edge, centering):
        return targets @ torch.arange(1.0, 11.0) + 0 * scores.grade.sum(1)

    monkeypatch.setattr(Objective, "forward", costs_its_grade)
    (done,) = events_of(EpochDone, run(config(), cards, tmp_path / "run", prepared))
    for split, loss in (("train", done.train_loss), ("val", done.val_loss)):
        assert loss == pytest.approx(np.mean([card.grade for card in cards if card.split == split]))


def test_training_and_validation_use_the_same_phase(tmp_path, cards, prepared, monkeypatch):
    calls = []

    def noting(name):
        module = {"training": loop, "validation": __import__("engine.inference.evaluate", fromlist=["evaluate"])}[name]
        plain = module.model_input

        def model_input(batch, config, phase, device):
            inputs = plain(batch, config, phase, device)
            calls.append((name, phase, bool(inputs.present[:, 0].any())))
            return inputs

        monkeypatch.setattr(module, "model_input", model_input)

    noting("training")
    noting("validation")
    run(config(phase1_epochs=1, batch_size=16), cards, tmp_path / "run", prepared)
    assert calls == [("training", 1, False), ("validation", 1, False), ("training", 2, True), ("validation", 2, True)]


def test_phase_one_leaves_the_front_encoder_unchanged(tmp_path, cards, prepared):
    settings = config(phase1_epochs=1, phase2_epochs=0, seed=3)
    run(settings, cards, tmp_path / "run", prepared)
    learned = torch.load(tmp_path / "run/last.ckpt", weights_only=True)["model"]
    torch.manual_seed(3)
    born = DualBranch(settings).state_dict()
    same = {key for key in born if torch.equal(born[key], learned[key])}
    assert {key for key in born if key.startswith("front.")} <= same
    assert not {key for key in same if key.startswith(("back.encoder", "fuse"))}


def test_the_class_weights_are_those_of_the_training_cards(tmp_path, cards, prepared, monkeypatch):
    counts = []
    plain = Objective.__init__
    monkeypatch.setattr(Objective, "__init__", lambda self, c, n: (counts.append(n.tolist()), plain(self, c, n))[1])
    run(config(), cards, tmp_path / "run", prepared, stop=lambda: True)
    assert counts == [[1, 0, 1, 1, 1, 1, 1, 1, 2, 1]]
