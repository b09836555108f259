"""Learning-rate schedules over the epochs of a phase."""

from __future__ import annotations

import math
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from engine.config import Config

FACTOR = 0.5
PATIENCE = 3
MIN_RATE = 1e-6
# First and last learning rate of one_cycle, as fractions of its peak.
FIRST_FRACTION, LAST_FRACTION = 1 / 25, 1 / 250_000


def build_schedule(config: Config, optimizer: Optimizer, epochs: int) -> ReduceLROnPlateau | LambdaLR:
    """Create the config's schedule for a phase of `epochs` epochs; the learning rate is never below 1e-6.

    plateau halves the rate when the score has not risen for more than three epochs.
    """
    if config.schedule == "plateau":
        # threshold 0: with torch's default, a relative rise of 1e-4, a constant QWK below 0 counts as a rise.
        return ReduceLROnPlateau(optimizer, mode="max", factor=FACTOR, patience=PATIENCE, threshold=0, min_lr=MIN_RATE)
    fraction = {"cosine": cosine_fraction, "one_cycle": one_cycle_fraction, "constant": lambda done, epochs: 1.0}
    peak = optimizer.param_groups[0]["lr"]
    return LambdaLR(optimizer, lambda done: max(MIN_RATE / peak, fraction[config.schedule](done, epochs)))


def end_epoch(schedule: ReduceLROnPlateau | LambdaLR, score: float | None) -> None:
    """Set the rate of the next epoch; `score` is QWK or -RPS, higher is better; undefined is no rise."""
    if isinstance(schedule, ReduceLROnPlateau):
        schedule.step(-math.inf if score is None else score)
    else:
        schedule.step()


def schedule_state(schedule: ReduceLROnPlateau | LambdaLR) -> dict[str, Any]:
    """State for an exact resume, with the optimizer's; of a fixed curve the number of epochs done."""
    return schedule.state_dict() if isinstance(schedule, ReduceLROnPlateau) else {"done": schedule.last_epoch}


def restore_schedule(schedule: ReduceLROnPlateau | LambdaLR, state: dict[str, Any]) -> None:
    """Restore the state of schedule_state."""
    if isinstance(schedule, ReduceLROnPlateau):
        schedule.load_state_dict(state)
        return
    # Step count above 1: torch warns if no optimizer step came before a schedule's first step, but a run stopped in its
    # validation has taken them in another process. An earlier version saved no state of a constant rate.
    schedule.load_state_dict({"last_epoch": state.get("done", 0), "_step_count": 2, "lr_lambdas": [None]})


def cosine_fraction(done: int, epochs: int) -> float:
    """Fraction of the peak: linear warm-up over the first twentieth of the epochs, then half a cosine down to 0.

    Worked: (0, 100) .2, (4, 100) 1, (100, 100) 0.
    """
    warmup = max(1, epochs // 20)
    if done < warmup:
        return (done + 1) / warmup
    return _half_cosine(1, 0, (done - warmup + 1) / max(1, epochs - warmup + 1))


def one_cycle_fraction(done: int, epochs: int) -> float:
    """Fraction of the peak: half a cosine up from 1/25 over three tenths of the epochs, then another down to 4e-6.

    Source: Smith and Topin, "Super-Convergence", 2018, with the fractions of torch's OneCycleLR, stepped per epoch. The
    one-cycle schedule of the recorded runs was never stepped: its rate stayed at 1/25 of the configured one, as with
    the constant schedule. Worked: (0, 101) .04, (29.3, 101) 1, (100, 101) 4e-6.
    """
    peak = max(0.0, 0.3 * epochs - 1)
    if done < peak:
        return _half_cosine(FIRST_FRACTION, 1, done / peak)
    return _half_cosine(1, LAST_FRACTION, min(1, (done - peak) / max(1, epochs - 1 - peak)))


def _half_cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * progress))
