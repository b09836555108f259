"""Which epoch's model a run keeps: of the best validation QWK the first. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Epoch = TypeVar("Epoch")


def is_better(qwk: float | None, best: float | None) -> bool:
    """Whether a QWK is above the best so far; one that is undefined is below all, and None is no best yet."""
    return qwk is not None and (best is None or qwk > best)


def best_of(epochs: Iterable[Epoch], qwk: Callable[[Epoch], float | None]) -> Epoch | None:
    """Of epochs in their order the one whose model is kept; None where none has a QWK: then the first one's is kept."""
    kept: Epoch | None = None
    for epoch in epochs:
        if is_better(qwk(epoch), None if kept is None else qwk(kept)):
            kept = epoch
    return kept
