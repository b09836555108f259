"""Small runs for the tests of the training loop, and comparison of two of them."""

from dataclasses import asdict

import torch

from engine.config import Config
from engine.events import EpochDone, Progress
from engine.training.loop import train

# The fastest of the four encoders on a CPU; ten training cards in batches of three make four steps per epoch.
SMALL = {
    "front_encoder": "mobilenet_v2",
    "back_encoder": "mobilenet_v2",
    "image_size": 64,
    "batch_size": 3,
    "phase2_epochs": 1,
    "device": "cpu",
    "auxiliary_targets": False,
}
EVERYTHING_ON = {
    "phase1_epochs": 1,
    "phase2_epochs": 2,
    "mixup_alpha": 0.3,
    "label_smoothing": 0.1,
    "side_dropout": 0.2,
    "sampler_eta": 0.5,
    "class_weights": "none",
    "schedule": "cosine",
    "ema_decay": 0.8,
    "seed": 5,
}
# Notices of a run with the four validation cards that most tests use.
UNCALIBRATED = (
    "4 groups of held-out cards are too few to calibrate on: at least 9 are needed, about a hundred for a reliable "
    "result; this run's model will not be calibrated"
)
BY_RPS = (
    "4 validation cards are too few to choose an epoch by QWK: it is chosen by the ranked probability score instead; "
    "label at least 10, better a hundred"
)
FEW_CARDS = [UNCALIBRATED, BY_RPS]


def config(**settings):
    return Config(**{**SMALL, **settings})


def run(settings, cards, folder, prepared, stop=lambda: False):
    return list(train(settings, cards, folder, stop, prepared))


def events_of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def epoch_results(events):
    """Results by epoch, without durations; a later event of an epoch replaces an earlier one."""
    clocks = ("seconds", "pairs_per_second", "data_wait_share")
    return {
        done.epoch: {key: value for key, value in asdict(done).items() if key not in clocks}
        for done in events_of(EpochDone, events)
    }


def final_state(folder):
    """Checkpoint, without durations, and model of a run folder."""
    last = torch.load(folder / "last.ckpt", weights_only=True)
    clocks = [key for key in last["state"] if key.endswith("seconds")]
    assert clocks
    for key in clocks:
        del last["state"][key]
    model = torch.load(folder / "model.pt", weights_only=True)
    del model["name"]
    return {"checkpoint": last, "model": model}


def assert_equal(first, second, path=""):
    """Compare nested lists and dicts of tensors bit for bit."""
    assert type(first) is type(second), path
    if isinstance(first, dict):
        assert first.keys() == second.keys(), path
        for key in first:
            assert_equal(first[key], second[key], f"{path}/{key}")
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), path
        for index, (item, expected) in enumerate(zip(first, second, strict=True)):
            assert_equal(item, expected, f"{path}/{index}")
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), path
    else:
        assert first == second, path


def run_for(steps, settings, cards, folder, prepared):
    """Events of a run that is stopped after `steps` training batches."""
    events = []
    for event in train(settings, cards, folder, lambda: steps_trained(events) >= steps, prepared):
        events.append(event)
    return events


def steps_trained(events):
    return sum(event.step == "training" for event in events_of(Progress, events))
