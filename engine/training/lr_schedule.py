"""How the learning rate falls: stepped once an epoch with the validation QWK, the same call for every schedule."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from engine.config import Config

FACTOR = 0.5
PATIENCE = 3
LOWEST = 1e-6
# One cycle begins at this share of its peak and ends at that one.
FIRST_SHARE, LAST_SHARE = 1 / 25, 1 / 250_000


class Plateau:
    """Halve the rate when QWK has not risen for more than three epochs, down to 1e-6."""

    def __init__(self, optimizer: Optimizer) -> None:
        # threshold 0: torch's default asks for a relative rise of 1e-4, which a constant QWK below 0 always shows.
        self._inner = ReduceLROnPlateau(
            optimizer, mode="max", factor=FACTOR, patience=PATIENCE, threshold=0, min_lr=LOWEST
        )

    def step(self, qwk: float | None) -> None:
        """Take in an epoch's QWK; an undefined one counts as no rise."""
        self._inner.step(-math.inf if qwk is None else qwk)

    def state_dict(self) -> dict[str, object]:
        """What load_state_dict needs to go on exactly."""
        return self._inner.state_dict()

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Go on where state_dict was taken."""
        self._inner.load_state_dict(state)


class Curve:
    """Follow a curve fixed beforehand: a share of the peak rate for each epoch, never below 1e-6."""

    def __init__(self, optimizer: Optimizer, epochs: int, share: Callable[[int, int], float]) -> None:
        """`share` is told how many of how many epochs are done."""
        self._optimizer = optimizer
        self._epochs = epochs
        self._share = share
        self._peaks = [group["lr"] for group in optimizer.param_groups]
        self._done = 0
        self._apply()

    def step(self, qwk: float | None) -> None:
        """One epoch is over; its QWK plays no part."""
        self._done += 1
        self._apply()

    def _apply(self) -> None:
        share = self._share(self._done, self._epochs)
        for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = max(LOWEST, peak * share)

    def state_dict(self) -> dict[str, object]:
        """What load_state_dict needs to go on exactly."""
        return {"done": self._done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where state_dict was taken."""
        self._done = state["done"]
        self._apply()


def cosine_share(done: int, epochs: int) -> float:
    """Rise linearly over the first twentieth of the epochs, then fall along half a cosine.

    Worked: (0, 100) .2, (4, 100) 1, (100, 100) 0.
    """
    warmup = max(1, epochs // 20)
    if done < warmup:
        return (done + 1) / warmup
    return _half_cosine(1, 0, (done - warmup + 1) / max(1, epochs - warmup + 1))


def one_cycle_share(done: int, epochs: int) -> float:
    """Rise from a 25th along half a cosine over three tenths of the epochs, then fall along another to next to nothing.

    Source: Smith and Topin, "Super-Convergence", 2018, with the shares of torch's OneCycleLR, whose steps are epochs
    here. The history's one-cycle was never stepped: its rate stayed at a 25th of what was written down, which is the
    schedule constant at that rate. Worked: (0, 101) .04, (29.3, 101) 1, (100, 101) 4e-6.
    """
    top = max(0.0, 0.3 * epochs - 1)
    if done < top:
        return _half_cosine(FIRST_SHARE, 1, done / top)
    return _half_cosine(1, LAST_SHARE, min(1, (done - top) / max(1, epochs - 1 - top)))


def _half_cosine(start: float, end: float, way: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * way))


class Constant:
    """Leave the rate as it is."""

    def step(self, qwk: float | None) -> None:
        """One epoch is over."""

    def state_dict(self) -> dict[str, object]:
        """Nothing to remember."""
        return {}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Nothing to restore."""


def build_schedule(config: Config, optimizer: Optimizer, epochs: int) -> Plateau | Curve | Constant:
    """The config's schedule over one phase of `epochs` epochs."""
    if config.schedule == "plateau":
        return Plateau(optimizer)
    if config.schedule == "constant":
        return Constant()
    return Curve(optimizer, epochs, cosine_share if config.schedule == "cosine" else one_cycle_share)
