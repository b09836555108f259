"""Evaluate a model on many cards: probabilities and losses per card, and the published metrics."""

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
from engine.data.dataset import AuxiliaryInputs, CardDataset
from engine.data.inputs import model_input
from engine.data.picture_cache import PixelCache
from engine.data.prepare import prepare_auxiliary
from engine.data.sampler import batch_loader
from engine.data.selection import LabelledCard, NoCards, counts_by_grade, labelled_pictures, with_pictures
from engine.data.targets import batch_targets
from engine.evaluation import predictions
from engine.evaluation.calibration import apply_calibration
from engine.evaluation.metrics import point_metrics
from engine.evaluation.predictions import Predictions
from engine.evaluation.strata import Given, sides_given
from engine.evaluation.uncertainty import all_metrics
from engine.events import Notice, Progress
from engine.image.rectify import detected_px_per_mm
from engine.inference.load_model import LoadedModel
from engine.model.losses import Objective
from engine.storage.checkpoint import BadModel


@dataclass(frozen=True)
class BatchResult:
    """Results of one batch, on the CPU: (B,) card indices, (B, 10) log-probabilities and (B,) losses."""

    index: Tensor
    log_probabilities: Tensor
    losses: Tensor


def infer(
    network: nn.Module,
    objective: Objective,
    cards: CardDataset,
    config: Config,
    phase: int,
    indices: Sequence[int] | None = None,
    view: int = 0,
) -> Iterator[BatchResult]:
    """Run the network over every card once, in order, without gradients and in eval mode; yield batch by batch.

    indices  indices of the cards to use; None for all
    view     index of the augmented view, if the cards are augmented
    """
    device = objective.weights.device
    network.eval()
    for batch in batch_loader(cards, range(len(cards)) if indices is None else indices, config, epoch=view):
        with torch.inference_mode():
            inputs = model_input(batch, config, phase, device)
            scores = network(*inputs)
            losses = objective(scores, *batch_targets(batch, inputs.present, config))
            log_probabilities = objective.log_probabilities(scores.grade)
        # Yield outside inference mode, so that the caller may compute with gradients.
        yield BatchResult(batch["index"], log_probabilities.cpu(), losses.cpu())


def non_finite_cards(cards: Sequence[LabelledCard], results: Sequence[BatchResult]) -> str:
    """Name the cards whose loss is not finite, as in `'a' and 2 more`; empty if there are none."""
    indices = torch.cat([result.index[~result.losses.isfinite()] for result in results]).tolist()
    if not indices:
        return ""
    return repr(cards[min(indices)].pair.card_id) + (f" and {len(indices) - 1} more" if len(indices) > 1 else "")


def summarize(
    cards: Sequence[LabelledCard], results: Sequence[BatchResult]
) -> tuple[dict[str, Any], float, np.ndarray]:
    """Compute metrics (named as by `point_metrics`), mean loss and (N, 10) probabilities in card order."""
    probabilities = probabilities_of(results)
    metrics = point_metrics(np.array([card.grade for card in cards]), probabilities)
    loss = sum(float(result.losses.sum()) for result in results) / len(cards)
    return metrics, loss, probabilities


def probabilities_of(results: Sequence[BatchResult]) -> np.ndarray:
    """(N, 10) probabilities in card order, from results that contain each of N cards once."""
    index = torch.cat([result.index for result in results])
    log_probabilities = torch.cat([result.log_probabilities for result in results]).double()
    probabilities = torch.empty_like(log_probabilities)
    probabilities[index] = log_probabilities.softmax(dim=1)
    return probabilities.numpy()


def _without_unused_sides(pair: CardPair, sides: tuple[bool, bool]) -> CardPair:
    """Remove the sides that the model was not trained on."""
    front, back = (path if used else None for path, used in zip((pair.front, pair.back), sides, strict=True))
    return replace(pair, front=front, back=back)


def evaluate(
    model: LoadedModel,
    pairs: Sequence[CardPair],
    cache_folder: Path,
    predictions_path: Path | None = None,
    views: int = 1,
) -> Iterator[Notice | Progress | dict[str, Any]]:
    """Evaluate a model on labelled pairs; yields progress events and, last, the metrics.

    predictions_path  file to write the predictions to, calibrated if the model is
    views             number of views for test-time augmentation, as in `predict_cards`
    raises            NoCards; BadModel if a loss is not finite
    """
    for event in predict_cards(model, pairs, cache_folder, views):
        if isinstance(event, Predictions):
            calibrated_predictions = apply_calibration(event.probabilities, model.calibration, event.given)
            if predictions_path is not None:
                predictions.write(predictions_path, replace(event, probabilities=calibrated_predictions.probabilities))
            yield all_metrics(event, calibrated_predictions, calibrated=model.calibration is not None)
        else:
            yield event


def predict_cards(
    model: LoadedModel, pairs: Sequence[CardPair], cache_folder: Path, views: int = 1
) -> Iterator[Notice | Progress | Predictions]:
    """Predict labelled pairs without calibration; yields progress events and, last, the predictions.

    views   number of views of each card (test-time augmentation): the first unchanged, the others augmented as in
            training; their probabilities are averaged
    raises  NoCards; BadModel if a loss is not finite
    """
    pairs = [_without_unused_sides(pair, model.sides) for pair in pairs]
    cache = PixelCache(
        cache_folder, labelled_pictures(pairs), model.config.canvas_shape, input_region=model.config.input_region
    )
    for done, total in cache.fill():
        yield Progress("pictures", 0, done, total)
    labelled_cards, left_out = with_pictures(pairs, cache)
    for refused in left_out:
        yield Notice(f"{refused.path}: left out: {refused.reason}")
    if not labelled_cards:
        raise NoCards("there is no labelled card to evaluate on; label some, or choose another split")
    auxiliary = yield from prepare_auxiliary(
        labelled_cards, cache, model.config, cache_folder, lambda: False, with_targets=False
    )
    objective = Objective(model.config, torch.from_numpy(counts_by_grade(labelled_cards))).to(model.device)
    # Augmented as in training, but without its dropout of sides and measurements.
    augmented = model.config.model_copy(
        update={"augment": True, "vary_photograph": False, "side_dropout": 0.0, "measurement_dropout": 0.0}
    )
    probabilities = []
    for view in range(views):
        config = augmented if view else model.config
        cards = CardDataset(labelled_cards, cache, config, training=view > 0, auxiliary=auxiliary or AuxiliaryInputs())
        results: list[BatchResult] = []
        for result in infer(model.forward_module, objective, cards, config, model.phase, view=view):
            results.append(result)
            done = len(cards) * view + sum(len(batch.index) for batch in results)
            yield Progress("evaluation", 0, done, len(cards) * views)
        if names := non_finite_cards(labelled_cards, results):
            raise BadModel(
                f"{model.name}: the loss on card {names} is not finite; train the model again at a lower learning rate"
            )
        probabilities.append(probabilities_of(results))
    means = np.mean(probabilities, axis=0)
    if known := _replace_by_out_of_fold(means, labelled_cards, cache, model):
        yield Notice(f"{known} cards are among the model's training cards: predicted by models that were not")
    yield Predictions.from_cards(labelled_cards, means, [_given(card.pair, cache) for card in labelled_cards])


def _replace_by_out_of_fold(
    probabilities: np.ndarray, cards: Sequence[LabelledCard], cache: PixelCache, model: LoadedModel
) -> int:
    """Replace the (N, 10) predictions of training cards, in place, by the out-of-fold ones; returns their number."""
    if model.out_of_fold is None:
        return 0
    known = 0
    for row, card in enumerate(cards):
        front, back = (
            None if side is None or side not in cache else cache.content_hash(side)
            for side in (card.pair.front, card.pair.back)
        )
        replacement = model.out_of_fold.probabilities(front, back)
        if replacement is not None:
            probabilities[row], known = replacement, known + 1
    return known


def _given(pair: CardPair, cache: PixelCache) -> Given:
    """Sides and resolution given of a card with at least one usable picture."""
    pictures = [side if side in cache else None for side in (pair.front, pair.back)]
    quads = [cache.quad(side) for side in pictures if side is not None and cache.has_quad(side)]
    resolution = min((detected_px_per_mm(quad) for quad in quads), default=float("inf"))
    return Given(sides_given(*(side is not None for side in pictures)), resolution)
