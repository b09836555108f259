"""`compare`: significance test of the difference in QWK between runs, paired by card and seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.runs.run_json import known_run, unknown_run
from app.settings import DataFolder, UserError
from app.terminal import print_message
from db.session import Database
from engine.config import MACHINE, Config, fields
from engine.evaluation import predictions
from engine.evaluation.comparison import holm, qwk_difference
from engine.evaluation.model_selection import select_best
from engine.evaluation.predictions import Predictions
from engine.experiments import lineage, run_folder
from engine.experiments.plans import read_epochs
from engine.experiments.run_folder import fold_folders

REMEDY = "give a run's number, its folder, or its model's file"
OTHER_CARDS = "they have learned from or were validated on other cards, so that their losses are means over others"
OTHER_UNITS = "their objectives differ, so that their losses are in different units and are not compared"
# Settings in which runs of one training setup may differ. max_pairs is not one of them: it changes the training set.
IGNORED_SETTINGS = fields(MACHINE).keys() - {"max_pairs"}


@dataclass(frozen=True)
class ValidatedRun:
    """A run with its validation predictions and its training and validation cards: (card_id, split, grade)."""

    name: str
    config: Config
    cards: frozenset[tuple[str, str | None, float | None]]
    predictions: Predictions
    val_loss: float | None

    @property
    def training_data(self) -> tuple[object, ...]:
        """Key of the training and validation cards, including the limit `max_pairs`."""
        return self.cards, self.config.max_pairs, frozenset(self.predictions.cards)

    @property
    def training_setup(self) -> str:
        """All settings except IGNORED_SETTINGS: equal for runs that differ only in seed or machine."""
        return self.config.model_dump_json(exclude=IGNORED_SETTINGS)


def run(data: DataFolder, candidates: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
    """Compare each training setup among the candidates with the references; p-values are Holm-adjusted over them.

    A run is given as its number in the data folder, its folder, or its model file. Runs that differ only in seed form
    one training setup and are paired with the reference of the same seed. Runs without a partner are printed and
    returned as `left_out`; two runs of one setup with the same seed are refused.
    """
    reference_runs = [_load_run(data, name) for name in references]
    if len({run.training_setup for run in reference_runs}) > 1:
        raise UserError("the runs of --against differ in more than their seed; give runs of one training setup")
    setups: dict[str, list[ValidatedRun]] = {}
    for run in (_load_run(data, name) for name in candidates):
        setups.setdefault(run.training_setup, []).append(run)
    rows = [_compare_setup(setup_runs, reference_runs) for setup_runs in setups.values()]
    for row, adjusted in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = adjusted
    return {"with": [run.name for run in reference_runs], "family": len(rows), "comparisons": rows}


def _compare_setup(candidate_runs: Sequence[ValidatedRun], reference_runs: Sequence[ValidatedRun]) -> dict[str, Any]:
    candidates, references = _by_seed(candidate_runs), _by_seed(reference_runs)
    first_candidate, first_reference = candidate_runs[0], reference_runs[0]
    seeds = sorted(candidates.keys() & references.keys())
    if not seeds:
        raise UserError(
            f"{first_candidate.name} and {first_reference.name} share no seed ({sorted(candidates)} and "
            f"{sorted(references)}); train one of them again with --set seed=... of the other"
        )
    left_out = [run for runs_of in (candidates, references) for seed, run in runs_of.items() if seed not in seeds]
    for run in left_out:
        print_message(
            f"{run.name} is left out of the comparison of {first_candidate.name} with {first_reference.name}: "
            f"{_no_partner_reason(run)}"
        )
    pairs = [(candidates[seed], references[seed]) for seed in seeds]
    difference = qwk_difference(
        [candidate.predictions for candidate, _ in pairs], [reference.predictions for _, reference in pairs]
    )
    changed = lineage.changes(first_candidate.config, first_reference.config, IGNORED_SETTINGS)
    return {
        "runs": [candidate.name for candidate, _ in pairs],
        "changed": {key: {"reference": before, "own": after} for key, (before, after) in changed.items()},
        "changes": lineage.count(changed),
        **{("delta_qwk" if name == "delta" else name): value for name, value in asdict(difference).items()},
        "seeds": seeds,
        "left_out": [{"run": run.name, "seed": run.config.seed, "reason": _no_partner_reason(run)} for run in left_out],
        **_loss_difference(pairs),
    }


def _by_seed(setup_runs: Sequence[ValidatedRun]) -> dict[int, ValidatedRun]:
    """The runs of one training setup by seed. Raises UserError if two have the same seed: only one could be paired."""
    by_seed: dict[int, ValidatedRun] = {}
    for run in setup_runs:
        first = by_seed.setdefault(run.config.seed, run)
        if first is not run:
            names = f"{first.name} and {run.name}"
            raise UserError(f"{names} have the same settings and the same seed, {run.config.seed}; give one of them")
    return by_seed


def _no_partner_reason(run: ValidatedRun) -> str:
    return f"no run on the other side has its seed, {run.config.seed}"


def _loss_difference(pairs: Sequence[tuple[ValidatedRun, ValidatedRun]]) -> dict[str, Any]:
    """The mean difference in validation loss (candidate minus reference), or the reason for its absence."""
    if not all(lineage.same_objective(candidate.config, reference.config) for candidate, reference in pairs):
        return {"delta_val_loss": None, "val_loss_reason": OTHER_UNITS}
    if any(candidate.training_data != reference.training_data for candidate, reference in pairs):
        return {"delta_val_loss": None, "val_loss_reason": OTHER_CARDS}
    deltas = [
        candidate.val_loss - reference.val_loss
        for candidate, reference in pairs
        if candidate.val_loss is not None and reference.val_loss is not None
    ]
    if len(deltas) < len(pairs):
        return {"delta_val_loss": None, "val_loss_reason": "a run has kept no validation loss of its saved epoch"}
    return {"delta_val_loss": sum(deltas) / len(deltas), "val_loss_reason": ""}


def _load_run(data: DataFolder, name: str) -> ValidatedRun:
    folder = _folder(data, name)
    config, pairs = run_folder.load(next(iter(fold_folders(folder)), folder))
    cards = frozenset((pair.card_id, pair.split, pair.grade) for pair in pairs if pair.split != "test")
    validation = predictions.read(folder / predictions.FILE_NAME)
    best = select_best(read_epochs(folder).values(), lambda metrics: metrics)
    return ValidatedRun(name, config, cards, validation, best["val_loss"] if best else None)


def _folder(data: DataFolder, name: str) -> Path:
    if name.isdecimal():
        with Database.open(data.database, backup_dir=data.backups) as database, database.reading() as session:
            return Path(known_run(session, int(name), REMEDY).folder)
    path = Path(name)
    if not path.exists():
        raise unknown_run(f"at {name}", REMEDY)
    return path.parent if path.is_file() else path
