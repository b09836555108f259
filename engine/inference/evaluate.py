"""A model over many cards: probabilities and losses card by card, and the published figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.cards.pairs import CardPair
from engine.config import Config
from engine.data.auxiliary import beside_pixels
from engine.data.dataset import Beside, Cards
from engine.data.inputs import model_input
from engine.data.picture_cache import PixelCache
from engine.data.sampler import batches
from engine.data.selection import NoCards, Trainable, counts_by_grade, pictures_of, usable
from engine.data.targets import targets_of
from engine.evaluation import predictions
from engine.evaluation.calibration import said_of
from engine.evaluation.metrics import quick_measures
from engine.evaluation.predictions import Predictions
from engine.evaluation.uncertainty import published
from engine.events import Notice, Progress
from engine.inference.loaded_model import Model
from engine.model.losses import Objective
from engine.storage.checkpoint import BadModel


@dataclass(frozen=True)
class Outcome:
    """One batch's results: which cards, their (B, 10) log-probabilities and (B,) losses, on the CPU."""

    index: Tensor
    log_probabilities: Tensor
    losses: Tensor


def infer(
    network: nn.Module,
    objective: Objective,
    cards: Cards,
    config: Config,
    phase: int,
    chosen: Sequence[int] | None = None,
    view: int = 0,
) -> Iterator[Outcome]:
    """Run the network over every card once, in order, without gradients, in eval mode; a batch at a time.

    chosen  the places of the cards to take, instead of all
    view    which of the changed views is taken, of cards that are shown changed
    """
    device = objective.weights.device
    network.eval()
    for batch in batches(cards, range(len(cards)) if chosen is None else chosen, config, epoch=view):
        with torch.inference_mode():
            inputs = model_input(batch, config, phase, device)
            scores = network(*inputs)
            losses = objective(scores, *targets_of(batch, inputs.present, config))
            log_probabilities = objective.log_probabilities(scores.grade)
        # Out here: whoever takes the outcome may compute with gradients.
        yield Outcome(batch["index"], log_probabilities.cpu(), losses.cpu())


def unanswered(cards: Sequence[Trainable], outcomes: Sequence[Outcome]) -> str:
    """The cards whose loss is no finite number, named as `'a' and 2 more`; empty where there are none."""
    lost = torch.cat([outcome.index[~outcome.losses.isfinite()] for outcome in outcomes]).tolist()
    if not lost:
        return ""
    return repr(cards[min(lost)].pair.card_id) + (f" and {len(lost) - 1} more" if len(lost) > 1 else "")


def figures(cards: Sequence[Trainable], outcomes: Sequence[Outcome]) -> tuple[dict[str, Any], float, np.ndarray]:
    """Metrics as `engine.evaluation.metrics.quick_measures` names them, mean loss, (N, 10) probabilities in card order."""
    probabilities = probabilities_of(outcomes)
    metrics = quick_measures(np.array([card.grade for card in cards]), probabilities)
    loss = sum(float(outcome.losses.sum()) for outcome in outcomes) / len(cards)
    return metrics, loss, probabilities


def probabilities_of(outcomes: Sequence[Outcome]) -> np.ndarray:
    """(N, 10) probabilities in card order, of outcomes that tell of each of N cards once."""
    index = torch.cat([outcome.index for outcome in outcomes])
    log_probabilities = torch.cat([outcome.log_probabilities for outcome in outcomes]).double()
    probabilities = torch.empty_like(log_probabilities)
    probabilities[index] = log_probabilities.softmax(dim=1)
    return probabilities.numpy()


def _as_seen(pair: CardPair, sides: tuple[bool, bool]) -> CardPair:
    """The card without the sides that the model never learned from."""
    front, back = (path if seen else None for path, seen in zip((pair.front, pair.back), sides, strict=True))
    return replace(pair, front=front, back=back)


def evaluate(
    model: Model, pairs: Sequence[CardPair], cache_folder: Path, keep: Path | None = None, views: int = 1
) -> Iterator[Notice | Progress | dict[str, Any]]:
    """Measure a model on labelled pairs; yields what happens on the way and, last, the metrics.

    keep    a file for what the model says of each card, as `engine.evaluation.predictions` writes it, calibrated if the model is
    views   how often each card is looked at, as `predictions_of` has it
    raises  NoCards, and BadModel where the model's answers are no numbers
    """
    for event in predictions_of(model, pairs, cache_folder, views):
        if isinstance(event, Predictions):
            said = said_of(event.probabilities, model.calibration)
            if keep is not None:
                predictions.write(keep, replace(event, probabilities=said.probabilities))
            yield published(event, said, calibrated=model.calibration is not None)
        else:
            yield event


def predictions_of(
    model: Model, pairs: Sequence[CardPair], cache_folder: Path, views: int = 1
) -> Iterator[Notice | Progress | Predictions]:
    """What the network itself, uncalibrated, says of labelled pairs; yields what happens on the way and, last, that.

    views   how often each card is looked at: once as it is, then moved, lit and mirrored as in training; the mean of
            the probabilities counts (test-time augmentation)
    raises  NoCards, and BadModel where the model's answers are no numbers
    """
    pairs = [_as_seen(pair, model.sides) for pair in pairs]
    cache = PixelCache(cache_folder, pictures_of(pairs), model.config.image_size, seen=model.config.seen)
    for done, total in cache.fill():
        yield Progress("pictures", 0, done, total)
    kept, left_out = usable(pairs, cache)
    for refused in left_out:
        yield Notice(f"{refused.path}: left out: {refused.reason}")
    if not kept:
        raise NoCards("there is no labelled card to evaluate on; label some, or choose another split")
    beside = yield from beside_pixels(kept, cache, model.config, cache_folder, lambda: False, learning=False)
    objective = Objective(model.config, torch.from_numpy(counts_by_grade(kept))).to(model.device)
    # Looked at otherwise, with nothing hidden that training may hide.
    changing = model.config.model_copy(update={"augment": True, "side_dropout": 0.0, "measured_dropout": 0.0})
    seen = []
    for view in range(views):
        config = changing if view else model.config
        cards = Cards(kept, cache, config, training=view > 0, beside=beside or Beside())
        outcomes: list[Outcome] = []
        for outcome in infer(model.reads, objective, cards, config, model.phase, view=view):
            outcomes.append(outcome)
            done = len(cards) * view + sum(len(each.index) for each in outcomes)
            yield Progress("evaluation", 0, done, len(cards) * views)
        if lost := unanswered(kept, outcomes):
            raise BadModel(
                f"{model.name}: its loss on card {lost} is no number; train it again at a lower learning rate"
            )
        seen.append(probabilities_of(outcomes))
    yield Predictions.of(kept, np.mean(seen, axis=0))
