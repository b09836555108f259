"""Whether one way of training grades better than another: the same seeds, the same cards, and what chance would do.

Free of torch. Losses are compared by nothing here: two objectives have two units (engine.experiments.lineage.same_objective).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import BadInput
from engine.evaluation.bootstrap import DRAWS, drawn_times, group_sums, interval, numbered, over_drawn_runs
from engine.evaluation.metrics import card_sums, confusion, figures_of, predicted_grades, qwk
from engine.evaluation.predictions import Predictions


class NothingInCommon(BadInput):
    """Two sets of predictions share no card with the same label."""


@dataclass(frozen=True)
class Difference:
    """Candidate less reference, in QWK.

    qwk, reference_qwk   means over the seeds
    delta                their difference
    low, high            its 95 % interval
    better               the share of draws in which the candidate is better, a tie counting half
    p                    two-sided: how often draws as far on the other side of nought would come
    cards, groups, seeds how many there were
    """

    qwk: float
    reference_qwk: float
    delta: float
    low: float
    high: float
    better: float
    p: float
    cards: int
    groups: int
    seeds: int


def common_cards(predictions: Sequence[Predictions]) -> list[str]:
    """The cards that all sets hold with one label, in the order of the first. Raises NothingInCommon."""
    labels = [dict(zip(each.cards, each.truth.tolist(), strict=True)) for each in predictions]
    cards = [card for card in predictions[0].cards if len({label.get(card) for label in labels}) == 1]
    if not cards:
        raise NothingInCommon("the runs have judged no card in common under one label; train both on the same cards")
    return cards


def difference(
    candidates: Sequence[Predictions], references: Sequence[Predictions], *, draws: int = DRAWS, seed: int = 0
) -> Difference:
    """The difference in QWK of runs that are paired by their seed, on the cards that all of them have judged.

    candidates, references   one a seed, in the same order
    Groups of cards are drawn with replacement, the same for all; with two seeds or more, seeds are drawn too, so that
    the chance of training is in the interval. With one seed it is not. Raises NothingInCommon, and where QWK is
    undefined.
    """
    cards = common_cards([*candidates, *references])
    pairs = [(one.of_cards(cards), other.of_cards(cards)) for one, other in zip(candidates, references, strict=True)]
    number, groups = numbered(pairs[0][1].groups)
    whole = np.array([[_qwk(each) for each in pair] for pair in pairs], dtype=np.float64)  # (seeds, 2)
    if np.isnan(whole).any():
        raise NothingInCommon(
            f"QWK is undefined on the {len(cards)} cards in common; compare on cards of several grades"
        )
    sums = [[group_sums(card_sums(each.truth, each.probabilities), number, groups) for each in pair] for pair in pairs]
    drawn = np.concatenate([_deltas(times, sums) for times in drawn_times(groups, draws=draws, seed=seed)])
    deltas = over_drawn_runs(drawn, seed=seed)
    deltas = deltas[~np.isnan(deltas)]
    low, high = interval(deltas)
    mean = whole.mean(axis=0)
    if low is None or high is None:
        raise NothingInCommon(f"QWK is undefined in every draw of the {groups} groups in common; compare on more cards")
    return Difference(
        qwk=float(mean[0]),
        reference_qwk=float(mean[1]),
        delta=float(mean[0] - mean[1]),
        low=low,
        high=high,
        better=float(((deltas > 0) + (deltas == 0) / 2).mean()),
        p=two_sided(deltas),
        cards=len(cards),
        groups=groups,
        seeds=len(pairs),
    )


def two_sided(deltas: NDArray[np.floating]) -> float:
    """Twice the share of draws on the rarer side of nought, one draw more on each, so that it is never nought itself.

    Worked: 1,000 draws of which 4 are not above nought: 2 (4 + 1) / 1,001 = .00999.
    """
    rarer = min((deltas <= 0).sum(), (deltas >= 0).sum())
    return float(min(1.0, 2 * (rarer + 1) / (len(deltas) + 1)))


def holm(p: Sequence[float]) -> list[float]:
    """p-values of a family adjusted so that one false claim in the family is as rare as stated.

    The smallest is multiplied by their number, the next by one less and so on, never below the one before. Source:
    Holm, 1979. Worked: (.01, .04, .03): (.03, .06, .06).
    """
    order = np.argsort(p, kind="stable")
    times = np.arange(len(p), 0, -1)
    adjusted = np.minimum(np.maximum.accumulate(np.array(p, dtype=np.float64)[order] * times), 1.0)
    result = np.empty(len(p))
    result[order] = adjusted
    return [float(value) for value in result]


def _qwk(each: Predictions) -> float:
    value = qwk(confusion(each.truth, predicted_grades(each.probabilities)))
    return float("nan") if value is None else value


def _deltas(times: NDArray[np.float64], sums: Sequence[Sequence[NDArray[np.float64]]]) -> NDArray[np.float64]:
    """(draws, seeds): candidate less reference in each draw; NaN where either is undefined."""
    return np.stack([figures_of(times @ one)["qwk"] - figures_of(times @ other)["qwk"] for one, other in sums], axis=1)
