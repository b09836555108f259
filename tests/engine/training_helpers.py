"""Small runs for the tests of the training loop, and how two of them are compared."""

from dataclasses import asdict

import torch

from engine.config import Config
from engine.events import EpochDone, Progress
from engine.training.loop import train

# The fastest of the four encoders on a CPU; ten training cards in batches of three make four steps an epoch.
SMALL = {
    "front_encoder": "mobilenet_v2",
    "back_encoder": "mobilenet_v2",
    "image_size": 64,
    "batch_size": 3,
    "phase2_epochs": 1,
    "device": "cpu",
    "measured_targets": False,
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
# What a run says of the four validation cards that most of these have.
UNCALIBRATED = (
    "4 groups of held-out cards are too few to calibrate on: 9 are wanted, and some hundred to be worth much; "
    "this run's model will not be calibrated"
)


def config(**settings):
    return Config(**{**SMALL, **settings})


def run(settings, cards, folder, prepared, stop=lambda: False):
    return list(train(settings, cards, folder, stop, prepared))


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def told(events):
    """What the epochs said, without the clock: by epoch, later words for an epoch replacing earlier ones."""
    clocks = ("seconds", "pairs_per_second", "data_wait_share")
    return {
        done.epoch: {key: value for key, value in asdict(done).items() if key not in clocks}
        for done in of(EpochDone, events)
    }


def where_it_ended(folder):
    """All that decides how a run goes on, and its model: the checkpoint without the clock's readings."""
    last = torch.load(folder / "last.ckpt", weights_only=True)
    clocks = [key for key in last["state"] if key.endswith("seconds")]
    assert clocks
    for key in clocks:
        del last["state"][key]
    model = torch.load(folder / "model.pt", weights_only=True)
    del model["name"]
    return {"checkpoint": last, "model": model}


def assert_equal(one, two, place=""):
    """Bit for bit, to the last tensor of a nest of lists and dicts."""
    assert type(one) is type(two), place
    if isinstance(one, dict):
        assert one.keys() == two.keys(), place
        for key in one:
            assert_equal(one[key], two[key], f"{place}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(two), place
        for number, (first, second) in enumerate(zip(one, two, strict=True)):
            assert_equal(first, second, f"{place}/{number}")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, two), place
    else:
        assert one == two, place


def run_for(steps, settings, cards, folder, prepared):
    """The events of a run that is asked to stop once it has trained so many batches."""
    events = []
    for event in train(settings, cards, folder, lambda: trained(events) >= steps, prepared):
        events.append(event)
    return events


def trained(events):
    return sum(event.step == "training" for event in of(Progress, events))
