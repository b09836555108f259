"""Preparation of a run's data: cards, worn copies, cached pictures, and auxiliary inputs and targets."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.cards.pairs import CardPair, Refused
from engine.config import Config
from engine.data.dataset import AuxiliaryInputs
from engine.data.distillation import TeacherPredictions
from engine.data.measurement_cache import FEATURE_SPEC, TARGET_SPEC, MeasurementCache
from engine.data.picture_cache import PixelCache
from engine.data.region_cache import RegionCache
from engine.data.selection import (
    LabelledCard,
    check_grades_differ,
    labelled_pictures,
    require_cards,
    training_and_validation,
    with_pictures,
)
from engine.data.synthetic_wear import synthesize_worn_cards
from engine.distributed import ProcessGroup
from engine.events import Event, Notice, Progress
from engine.measure.side.targets import AuxiliaryTargets

Stop = Callable[[], bool]
AuxiliaryEvents = Generator[Progress | Notice, None, AuxiliaryInputs | None]


@dataclass(frozen=True)
class PreparedData:
    """Usable cards of the training and validation splits, with their pixels and auxiliary inputs."""

    training: list[LabelledCard]
    validation: list[LabelledCard]
    pixels: PixelCache
    auxiliary: AuxiliaryInputs


def prepare_run_data(
    ranks: ProcessGroup, config: Config, pairs: Sequence[CardPair], folder: Path, stop: Stop
) -> Generator[Event, None, PreparedData | None]:
    """Prepare the data of a run; returns None if stopped.

    Raises NoCards if either split is empty, OneGrade if all training cards have the same grade.

    One rank makes the worn copies, and one fills each cache; the others reuse them. Raises BadPredictions first of all
    if the teachers' predictions cannot be read.
    """
    teachers = TeacherPredictions.from_setting(config.teachers)
    cards = training_and_validation(pairs, config)
    with ranks.rank_zero_first():
        worn = yield from synthesize_worn_cards(cards, config, folder / "worn", stop)
    # Also checked here: if all pictures are cached, filling checks nothing, and the run would miss worn copies.
    if ranks.any(config.synthetic_wear_per_grade > 0 and stop()):
        return None
    cards += worn
    pixels = PixelCache(
        folder,
        labelled_pictures(cards),
        config.canvas_shape,
        cropped=labelled_pictures(worn),
        input_region=config.input_region,
    )
    stopped = False
    for done, total in pixels.fill():
        yield Progress("pictures", 0, done, total)
        if stopped := stop():
            break
    if ranks.any(stopped):
        return None
    usable, refused = with_pictures(cards, pixels)
    yield from _refusal_notices(refused)
    training, validation = (_of_split(usable, split) for split in ("train", "val"))
    check_grades_differ([card.grade for card in training])
    with ranks.rank_zero_first():
        auxiliary = yield from prepare_auxiliary(usable, pixels, config, folder, stop)
    # Not `auxiliary is None` alone: all ranks must stop together.
    if ranks.any(auxiliary is None) or auxiliary is None:
        return None
    if teachers is not None:
        covered = sum(card.pair.card_id in teachers for card in training)
        yield Notice(f"the teachers' predictions cover {covered} of {len(training)} training cards")
    return PreparedData(training, validation, pixels, replace(auxiliary, teachers=teachers))


def _of_split(cards: Sequence[LabelledCard], split: str) -> list[LabelledCard]:
    of_split = [card for card in cards if card.pair.split == split]
    require_cards(of_split, split)
    return of_split


def _refusal_notices(refused: Sequence[Refused]) -> Iterator[Notice]:
    """One notice for each reason, with the first card and the number of the others."""
    by_reason: dict[str, list[str]] = {}
    for refusal in refused:
        by_reason.setdefault(refusal.reason, []).append(refusal.path)
    for reason, names in by_reason.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield Notice(f"{names[0]}{more}: left out: {reason}")


def prepare_auxiliary(
    cards: Sequence[LabelledCard],
    pixels: PixelCache,
    config: Config,
    folder: Path,
    stop: Stop,
    *,
    with_targets: bool = True,
) -> AuxiliaryEvents:
    """Compute auxiliary inputs and targets (region crops, measurements) once and cache them; returns None if stopped.

    pixels        a filled cache
    folder        the folder of that cache
    stop          called after every chunk; True stops
    with_targets  False: no auxiliary targets, which only the losses need
    """
    pictures = [side for card in cards for side in (card.pair.front, card.pair.back) if side and side in pixels]
    regions = RegionCache(folder, pictures, pixels) if config.regions else None
    # A control's input has no card, so that the borders of the card are no target for it.
    measure_targets = (
        with_targets
        and config.input_region == "card"
        and config.auxiliary_targets
        and (config.beta_edge > 0 or config.beta_center > 0)
    )
    targets = MeasurementCache(TARGET_SPEC, folder, pictures, pixels) if measure_targets else None
    measurements = MeasurementCache(FEATURE_SPEC, folder, pictures, pixels) if config.use_measurements else None
    for step, cache in (("regions", regions), ("measuring", targets), ("measuring", measurements)):
        for done, total in cache.fill() if cache is not None else ():
            yield Progress(step, 0, done, total)
            if stop():
                return None
    if targets is not None:
        yield Notice(_target_counts(cards, pixels, targets))
    return AuxiliaryInputs(regions, targets, measurements)


def _target_counts(cards: Sequence[LabelledCard], pixels: PixelCache, targets: MeasurementCache) -> str:
    """Number of cards with each target measured on at least one side."""
    measured = [
        [AuxiliaryTargets(*targets[side]) for side in (card.pair.front, card.pair.back) if side and side in pixels]
        for card in cards
    ]
    edge = sum(any(not np.isnan(side.edge_damage) for side in sides) for sides in measured)
    centering = sum(any(not np.isnan(side.left_fraction) for side in sides) for sides in measured)
    return f"auxiliary targets of {len(cards)} cards: edge damage measured on {edge}, centering on {centering}"
