"""Compare two models on the labelled cards that neither has learned from, without opening the test split."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from app.models.named_model import NamedModel, learned_cards
from app.settings import DataFolder
from db.session import Database
from engine.cards.pairs import CardPair
from engine.data.selection import NoCards, subsample
from engine.evaluation.calibration import apply_calibration
from engine.evaluation.comparison import NoCommonCards
from engine.evaluation.conformal import COVERAGE
from engine.evaluation.paired_models import (
    ERROR_MARGIN,
    QWK_MARGIN,
    CardAnswers,
    Obstacle,
    PairedModels,
    compare_answers,
    obstacles,
)
from engine.evaluation.predictions import Predictions
from engine.events import Notice, Progress
from engine.inference.evaluate import predict_cards
from engine.inference.load_model import LoadedModel
from labeling.snapshot import pairs_from_rows

# Enough for an interval of about .03 in QWK; more cards take minutes and change the answer little.
MAX_CARDS = 500


@dataclass(frozen=True)
class ModelComparison:
    """A candidate and the model in use on the same cards.

    reference    None: there is no model in use
    paired       None without a reference, or without a card in common
    figures      of the candidate, as `CardAnswers.figures`; None without a card that may judge it
    learned      labelled cards left out, since one of the models has learned from them
    obstacles    reasons against the candidate, as named by `engine.evaluation.paired_models.obstacles`
    is_unknown   True if it is not known what the candidate was trained on
    """

    candidate: NamedModel
    candidate_sha256: str
    reference: NamedModel | None
    reference_sha256: str
    paired: PairedModels | None
    figures: dict[str, Any] | None
    cards: int
    learned: int
    nominal_coverage: float
    obstacles: tuple[Obstacle, ...]
    is_unknown: bool

    @property
    def passes(self) -> bool:
        """True if nothing speaks against using the candidate."""
        return not self.obstacles and not self.is_unknown

    def to_json(self) -> dict[str, Any]:
        """Plain values, for the commands, the API and the row of a promotion."""
        paired = None if self.paired is None else asdict(self.paired)
        reference = None if self.reference is None else _identity(self.reference, self.reference_sha256)
        return {
            "candidate": _identity(self.candidate, self.candidate_sha256),
            "reference": reference,
            "cards": self.cards,
            "learned": self.learned,
            "margins": {"qwk": QWK_MARGIN, "mae": ERROR_MARGIN},
            "differences": None if paired is None else paired["differences"],
            "by_grade": None if paired is None else paired["by_grade"],
            "changed": None if paired is None else paired["changed"],
            "calibration": {
                "candidate": None if self.figures is None else calibration_figures(self.figures),
                "reference": None if self.paired is None else calibration_figures(self.paired.reference),
            },
            "passes": self.passes,
        }


def calibration_figures(figures: dict[str, Any]) -> dict[str, Any]:
    """Coverage, width, calibration error and reliability among a model's figures."""
    names = ("coverage", "coverage_low", "coverage_high", "mean_width", "ece", "reliability")
    return {name: figures[name] for name in names}


def _identity(named: NamedModel, sha256: str) -> dict[str, Any]:
    return {"name": named.name, "sha256": sha256, "run": named.run_id}


def compare_models(
    database: Database, data: DataFolder, candidate: NamedModel, reference: NamedModel | None
) -> Iterator[Notice | Progress | ModelComparison]:
    """Compare a candidate with the model in use; yields progress events and, last, the comparison.

    The cards are the labelled ones outside the test split that neither model has learned from, at most MAX_CARDS.
    Raises BadModel, LeakingSplit.
    """
    pairs = [pair for pair in pairs_from_rows(database)[0] if pair.split != "test"]
    models = [(named, named.load()) for named in (candidate, reference) if named is not None]
    learned = [learned_cards(named, model, pairs) for named, model in models]
    excluded = frozenset().union(*(part.cards for part in learned))
    judges = subsample([pair for pair in pairs if pair.card_id not in excluded], MAX_CARDS, seed=0)
    answers: list[CardAnswers | None] = []
    for named, model in models:
        answers.append((yield from _answers(data, named, model, judges)))
    paired = None
    of_candidate = answers[0]
    of_reference = answers[1] if reference is not None else None
    if of_candidate is not None and of_reference is not None:
        try:
            paired = compare_answers(of_candidate, of_reference)
        except NoCommonCards:
            yield Notice("the two models could be asked about no card in common")
    loaded = models[0][1]
    yield ModelComparison(
        candidate=candidate,
        candidate_sha256=loaded.sha256,
        reference=reference,
        reference_sha256="" if reference is None else models[1][1].sha256,
        paired=paired,
        figures=None if of_candidate is None else paired.candidate if paired else of_candidate.figures,
        cards=paired.cards if paired else 0 if of_candidate is None or reference else len(of_candidate.cards.cards),
        learned=len(excluded),
        nominal_coverage=COVERAGE if loaded.calibration is None else loaded.calibration.coverage,
        obstacles=_obstacles(of_candidate, paired, loaded, reference),
        is_unknown=learned[0].unknown,
    )


def _obstacles(
    answers: CardAnswers | None, paired: PairedModels | None, model: LoadedModel, reference: NamedModel | None
) -> tuple[Obstacle, ...]:
    if answers is None or (reference is not None and paired is None):
        return ("few_cards", *(("uncalibrated",) if model.calibration is None else ()))
    return tuple(obstacles(answers, paired))


def _answers(
    data: DataFolder, named: NamedModel, model: LoadedModel, pairs: Sequence[CardPair]
) -> Generator[Notice | Progress, None, CardAnswers | None]:
    """Answers of a model on the cards; None if it can be asked about none."""
    try:
        for event in predict_cards(model, pairs, data.cache):
            if isinstance(event, Predictions):
                shown = apply_calibration(event.probabilities, model.calibration, event.given)
                cards = replace(event, probabilities=shown.probabilities)
                return CardAnswers(cards, shown.low, shown.high, shown.coverage, model.calibration is not None)
            elif isinstance(event, Progress):
                yield replace(event, step=f"{named.name}: {event.step}")
            else:
                yield event
    except NoCards:
        return None
    raise AssertionError("predict_cards ends with the predictions")
