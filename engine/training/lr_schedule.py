"""Learning-rate schedules: each is stepped once per epoch with a validation score, higher is better: QWK, or -RPS."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from engine.config import Config

FACTOR = 0.5
PATIENCE = 3
MIN_RATE = 1e-6
# First and last learning rate of one_cycle, as fractions of its peak.
FIRST_FRACTION, LAST_FRACTION = 1 / 25, 1 / 250_000


class Plateau:
    """Halve the learning rate when the score has not risen for more than three epochs, down to 1e-6."""

    def __init__(self, optimizer: Optimizer) -> None:
        # threshold 0: with torch's default, a relative rise of 1e-4, a constant QWK below 0 counts as a rise.
        self._inner = ReduceLROnPlateau(
            optimizer, mode="max", factor=FACTOR, patience=PATIENCE, threshold=0, min_lr=MIN_RATE
        )

    def step(self, score: float | None) -> None:
        """End an epoch; an undefined score counts as no rise."""
        self._inner.step(-math.inf if score is None else score)

    def state_dict(self) -> dict[str, object]:
        """State for an exact resume."""
        return self._inner.state_dict()

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Restore the state of state_dict."""
        self._inner.load_state_dict(state)


class Curve:
    """Fixed curve: a fraction of the peak learning rate for each epoch, never below 1e-6."""

    def __init__(self, optimizer: Optimizer, epochs: int, fraction_at: Callable[[int, int], float]) -> None:
        """`fraction_at` takes the number of epochs done and the number of all epochs."""
        self._optimizer = optimizer
        self._epochs = epochs
        self._fraction_at = fraction_at
        self._peaks = [group["lr"] for group in optimizer.param_groups]
        self._done = 0
        self._apply()

    def step(self, score: float | None) -> None:
        """End an epoch; its score is ignored."""
        self._done += 1
        self._apply()

    def _apply(self) -> None:
        fraction = self._fraction_at(self._done, self._epochs)
        for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = max(MIN_RATE, peak * fraction)

    def state_dict(self) -> dict[str, object]:
        """State for an exact resume."""
        return {"done": self._done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Restore the state of state_dict."""
        self._done = state["done"]
        self._apply()


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


class Constant:
    """Constant learning rate."""

    def step(self, score: float | None) -> None:
        """End an epoch; does nothing."""

    def state_dict(self) -> dict[str, object]:
        """Empty state."""
        return {}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Restore the state of state_dict; does nothing."""


def build_schedule(config: Config, optimizer: Optimizer, epochs: int) -> Plateau | Curve | Constant:
    """Create the config's schedule for a phase of `epochs` epochs."""
    if config.schedule == "plateau":
        return Plateau(optimizer)
    if config.schedule == "constant":
        return Constant()
    return Curve(optimizer, epochs, cosine_fraction if config.schedule == "cosine" else one_cycle_fraction)
