"""Model selection: the epoch whose model a run saves. Free of torch.

By validation QWK (quadratic weighted kappa), ties by RPS (ranked probability score). By RPS alone if QWK says nothing:
on cards of one grade it is 0 or undefined whatever is predicted, on a handful of cards it is mostly noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

Criterion = Literal["qwk", "rps", "last"]
Epoch = TypeVar("Epoch")

CHOSEN_BY = "chosen_by"
"""Name of the run's criterion among an epoch's metrics; missing for older runs, which kept the first of a tie."""
MIN_CARDS_FOR_QWK = 10


def selection_criterion(grades: Sequence[int]) -> tuple[Criterion, str]:
    """Criterion for validation cards of these grades, and a sentence for the user if it is not QWK."""
    if len(set(grades)) == 1:
        return "rps", (
            f"all {len(grades)} validation cards have grade {grades[0]}, on which QWK says nothing: the epoch is "
            "chosen by the ranked probability score instead; label cards of other grades"
        )
    if len(grades) < MIN_CARDS_FOR_QWK:
        return "rps", (
            f"{len(grades)} validation cards are too few to choose an epoch by QWK: it is chosen by the ranked "
            f"probability score instead; label at least {MIN_CARDS_FOR_QWK}, better a hundred"
        )
    return "qwk", ""


def is_better(metrics: Mapping[str, Any], best: Mapping[str, Any]) -> bool:
    """True if an epoch is better than the best so far by its run's criterion; if all is equal, the earlier is kept."""
    if metrics.get(CHOSEN_BY) == "last":
        return True
    return _scores(metrics) > _scores({**best, CHOSEN_BY: metrics.get(CHOSEN_BY)})


def _scores(metrics: Mapping[str, Any]) -> tuple[float, ...]:
    """Scores in order of priority, higher is better; undefined is lower than any."""
    qwk, rps = metrics.get("qwk"), metrics.get("rps")
    scores = {"qwk": float("-inf") if qwk is None else qwk, "rps": float("-inf") if rps is None else -rps}
    names = {"rps": ("rps",), None: ("qwk",)}.get(metrics.get(CHOSEN_BY), ("qwk", "rps"))
    return tuple(scores[name] for name in names)


def select_best(epochs: Iterable[Epoch], metrics: Callable[[Epoch], Mapping[str, Any]]) -> Epoch | None:
    """Select the epoch whose model is saved, by the metrics of each; None without epochs.

    None also for an older run of which no QWK is defined.
    """
    best: Epoch | None = None
    for epoch in epochs:
        if best is None or is_better(metrics(epoch), metrics(best)):
            best = epoch
    return None if best is None or max(_scores(metrics(best))) == float("-inf") else best
