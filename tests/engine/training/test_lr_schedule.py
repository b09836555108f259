"""Learning-rate schedules, compared with closed forms and torch's schedulers."""

from math import cos, pi

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from engine.config import Config
from engine.training.lr_schedule import (
    build_schedule,
    cosine_fraction,
    end_epoch,
    one_cycle_fraction,
    restore_schedule,
    schedule_state,
)

PEAK = 3e-4


def optimizer():
    return torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)


def rates(kind, qwks):
    """Learning rates of epochs with these QWKs, and of one more epoch."""
    stepped = optimizer()
    schedule = build_schedule(Config(schedule=kind), stepped, len(qwks))
    values = []
    for qwk in qwks:
        values.append(stepped.param_groups[0]["lr"])
        stepped.step()
        end_epoch(schedule, qwk)
    return [*values, stepped.param_groups[0]["lr"]]


@pytest.mark.parametrize("qwk", [0.5, 0.0, -0.3, 1.0])
def test_a_plateau_halves_the_rate_after_every_fourth_epoch_without_a_rise(qwk):
    # Epoch 1 is the best; 2 to 4 are tolerated, after 5 the rate is halved, then after every further four epochs.
    falls = [max(0, (epoch - 2) // 4) for epoch in range(1, 22)]
    np.testing.assert_allclose(rates("plateau", [qwk] * 20), [PEAK / 2**n for n in falls])


def test_an_undefined_qwk_is_no_rise():
    assert rates("plateau", [0.5, None, None, None, None])[-1] == PEAK / 2


def test_a_qwk_that_was_never_defined_halves_the_rate_too():
    assert rates("plateau", [None] * 4)[-1] == PEAK / 2


def test_a_rising_qwk_keeps_the_rate():
    assert set(rates("plateau", list(np.linspace(-0.5, 0.9, 30)))) == {PEAK}


def test_the_plateau_is_torch_s_on_a_wandering_qwk():
    qwks = list(np.random.default_rng(5).uniform(0.2, 0.8, 60))
    stepped = optimizer()
    scheduler, expected = ReduceLROnPlateau(stepped, mode="max", factor=0.5, patience=3, min_lr=1e-6), [PEAK]
    for qwk in qwks:
        scheduler.step(qwk)
        expected.append(stepped.param_groups[0]["lr"])
    np.testing.assert_allclose(rates("plateau", qwks), expected)


def test_a_long_plateau_ends_at_the_lowest_rate():
    assert rates("plateau", [0.5] * 60)[-1] == 1e-6


@pytest.mark.parametrize(("done", "fraction"), [(0, 0.2), (1, 0.4), (4, 1.0), (52, 0.5), (100, 0.0)])
def test_the_cosine_s_worked_numbers(done, fraction):
    assert cosine_fraction(done, 100) == pytest.approx(fraction)


def test_the_cosine_rises_over_a_twentieth_and_then_only_falls():
    cosine = rates("cosine", [0.5] * 40)
    np.testing.assert_allclose(cosine[:2], [PEAK / 2, PEAK])
    np.testing.assert_allclose(cosine[2:], [max(1e-6, PEAK * (1 + cos(pi * k / 39)) / 2) for k in range(1, 40)])


@pytest.mark.parametrize("epochs", [4, 5, 10, 33, 50, 101])
def test_one_cycle_is_torch_s_stepped_once_an_epoch(epochs):
    stepped = optimizer()
    scheduler = OneCycleLR(stepped, PEAK, total_steps=epochs, cycle_momentum=False)
    expected = []
    for _ in range(epochs):
        expected.append(max(1e-6, stepped.param_groups[0]["lr"]))
        stepped.step()
        if len(expected) < epochs:
            scheduler.step()
    np.testing.assert_allclose(rates("one_cycle", [0.5] * epochs)[:-1], expected)


def test_one_cycle_s_worked_numbers():
    fractions = [
        one_cycle_fraction(0, 101),
        one_cycle_fraction(100, 101),
        max(one_cycle_fraction(k, 101) for k in range(101)),
    ]
    np.testing.assert_allclose(fractions, [0.04, 4e-6, 1.0], rtol=1e-3)


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_a_cycle_too_short_for_a_warmup_starts_at_its_peak(epochs):
    assert rates("one_cycle", [0.5] * epochs)[0] == PEAK


@pytest.mark.parametrize("epochs", [1, 2, 3, 19, 20])
def test_a_short_cosine_starts_at_the_peak_and_stays_in_its_bounds(epochs):
    cosine = rates("cosine", [0.5] * epochs)
    assert cosine[0] == PEAK
    assert cosine[-1] == 1e-6
    assert all(1e-6 <= rate <= PEAK for rate in cosine)


def test_a_constant_rate_is_constant():
    assert set(rates("constant", [0.5] * 30)) == {PEAK}


@pytest.mark.parametrize("kind", ["plateau", "cosine", "one_cycle", "constant"])
def test_a_schedule_resumes_exactly_from_its_state(kind):
    qwks = list(np.random.default_rng(1).uniform(0.4, 0.6, 24))
    uninterrupted = rates(kind, qwks)
    first = optimizer()
    schedule = build_schedule(Config(schedule=kind), first, len(qwks))
    for qwk in qwks[:11]:
        first.step()
        end_epoch(schedule, qwk)
    second = optimizer()
    resumed = build_schedule(Config(schedule=kind), second, len(qwks))
    second.load_state_dict(first.state_dict())
    restore_schedule(resumed, schedule_state(schedule))
    values = []
    for qwk in qwks[11:]:
        values.append(second.param_groups[0]["lr"])
        end_epoch(resumed, qwk)
    assert [*values, second.param_groups[0]["lr"]] == uninterrupted[11:]


# States that were saved before the curves were torch's LambdaLR.
@pytest.mark.parametrize(("kind", "state"), [("cosine", {"done": 11}), ("one_cycle", {"done": 11}), ("constant", {})])
def test_a_schedule_saved_by_an_earlier_version_resumes_exactly(kind, state):
    qwks = [0.5] * 24
    stepped = optimizer()
    schedule = build_schedule(Config(schedule=kind), stepped, len(qwks))
    restore_schedule(schedule, state)
    end_epoch(schedule, 0.5)
    assert stepped.param_groups[0]["lr"] == rates(kind, qwks)[12]
