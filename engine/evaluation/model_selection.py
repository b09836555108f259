"""Model selection: the first epoch with the highest validation QWK. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Epoch = TypeVar("Epoch")


def is_better(qwk: float | None, best: float | None) -> bool:
    """True if `qwk` is higher than `best`; None is an undefined QWK, lower than any, or no best yet."""
    return qwk is not None and (best is None or qwk > best)


def select_best(epochs: Iterable[Epoch], qwk: Callable[[Epoch], float | None]) -> Epoch | None:
    """Select the epoch whose model is saved; None if no QWK is defined (the first epoch is saved then)."""
    best: Epoch | None = None
    for epoch in epochs:
        if is_better(qwk(epoch), None if best is None else qwk(best)):
            best = epoch
    return best
