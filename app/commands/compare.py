"""`compare`: whether runs grade better than others, card by card and seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

from app.settings import DataFolder, Trouble
from app.terminal import say
from db import runs
from db.session import Database
from engine.config import Config
from engine.evaluation import predictions
from engine.evaluation.comparison import difference, holm
from engine.evaluation.model_selection import best_of
from engine.evaluation.predictions import Predictions
from engine.experiments import lineage, run_folder
from engine.experiments.plans import epochs_of
from engine.experiments.run_folder import folds_in

OTHER_CARDS = "they have learned from or were validated on other cards, so that their losses are means over others"
# What runs of one way of training may differ in. How much they have learned from is no chance of training.
OF_ONE_WAY = lineage.MACHINE - {"max_pairs"}
OTHER_UNITS = "their objectives differ, so that their losses are in different units and are not compared"


@dataclass(frozen=True)
class Judged:
    """A run, what it said of the cards it was validated on, and the cards that it was told: name, side and label."""

    name: str
    config: Config
    told: frozenset[tuple[str, str | None, float | None]]
    predictions: Predictions
    val_loss: float | None

    @property
    def learned_from(self) -> tuple[object, ...]:
        """Equal for runs that took the same cards, of which a limit takes some, to learn from and to validate on."""
        return self.told, self.config.max_pairs, frozenset(self.predictions.cards)

    @property
    def recipe(self) -> str:
        """All settings but OF_ONE_WAY: equal for runs that differ in seed or machine alone."""
        return self.config.model_dump_json(exclude=set(OF_ONE_WAY & Config.model_fields.keys()))


def run(data: DataFolder, candidates: Sequence[str], references: Sequence[str]) -> dict[str, Any]:
    """One comparison for each way of training among the candidates, with p-values for the family of them.

    A run is its number in the data folder, its folder, or its model's file; runs that differ in the seed alone are
    one way of training, and are paired with the reference of the same seed. What has no partner is named, as `left_out`
    and on the terminal; a seed that stands twice on one side is refused.
    """
    reference = [_judged(data, name) for name in references]
    if len({each.recipe for each in reference}) > 1:
        raise Trouble("the references of --with differ in more than their seed; give the runs of one way of training")
    ways: dict[str, list[Judged]] = {}
    for each in (_judged(data, name) for name in candidates):
        ways.setdefault(each.recipe, []).append(each)
    rows = [_compared(way, reference) for way in ways.values()]
    for row, adjusted in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = adjusted
    return {"with": [each.name for each in reference], "family": len(rows), "comparisons": rows}


def _compared(way: Sequence[Judged], reference: Sequence[Judged]) -> dict[str, Any]:
    ours, theirs = _by_seed(way), _by_seed(reference)
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        raise Trouble(
            f"{way[0].name} and {reference[0].name} share no seed ({sorted(ours)} and {sorted(theirs)}); train one "
            "of them again with --set seed=... of the other"
        )
    left_out = [each for side in (ours, theirs) for seed, each in side.items() if seed not in seeds]
    for each in left_out:
        say(f"{each.name} is left out of the comparison of {way[0].name} with {reference[0].name}: {_alone(each)}")
    pairs = [(ours[seed], theirs[seed]) for seed in seeds]
    found = difference([one.predictions for one, _ in pairs], [other.predictions for _, other in pairs])
    changed = lineage.changes(way[0].config, reference[0].config, OF_ONE_WAY)
    return {
        "runs": [one.name for one, _ in pairs],
        "changed": {key: {"reference": before, "own": own} for key, (before, own) in changed.items()},
        "changes": lineage.count(changed),
        **{("delta_qwk" if name == "delta" else name): value for name, value in asdict(found).items()},
        "seeds": seeds,
        "left_out": [{"run": each.name, "seed": each.config.seed, "reason": _alone(each)} for each in left_out],
        **_losses(pairs),
    }


def _by_seed(side: Sequence[Judged]) -> dict[int, Judged]:
    """Runs of one way of training. Raises Trouble where two have one seed: only one could be paired."""
    of_seed: dict[int, Judged] = {}
    for each in side:
        other = of_seed.setdefault(each.config.seed, each)
        if other is not each:
            both = f"{other.name} and {each.name}"
            raise Trouble(f"{both} are one way of training with one seed, {each.config.seed}; give one of them")
    return of_seed


def _alone(each: Judged) -> str:
    return f"no run on the other side has its seed, {each.config.seed}"


def _losses(pairs: Sequence[tuple[Judged, Judged]]) -> dict[str, Any]:
    """The mean difference in validation loss, or why there is none."""
    if not all(lineage.same_objective(one.config, other.config) for one, other in pairs):
        return {"delta_val_loss": None, "val_loss_reason": OTHER_UNITS}
    if any(one.learned_from != other.learned_from for one, other in pairs):
        return {"delta_val_loss": None, "val_loss_reason": OTHER_CARDS}
    deltas = [
        one.val_loss - other.val_loss for one, other in pairs if one.val_loss is not None and other.val_loss is not None
    ]
    if len(deltas) < len(pairs):
        return {"delta_val_loss": None, "val_loss_reason": "a run has kept no validation loss of its saved epoch"}
    return {"delta_val_loss": sum(deltas) / len(deltas), "val_loss_reason": ""}


def _judged(data: DataFolder, name: str) -> Judged:
    folder = _folder(data, name)
    first = next(iter(folds_in(folder)), folder)
    config, pairs = run_folder.told(first)
    cards = frozenset((pair.card_id, pair.split, pair.grade) for pair in pairs if pair.split != "test")
    said = predictions.read(folder / predictions.FILE)
    best = best_of(epochs_of(folder).values(), itemgetter("qwk"))
    return Judged(name, config, cards, said, best["val_loss"] if best else None)


def _folder(data: DataFolder, name: str) -> Path:
    if name.isdecimal():
        with Database.open(data.database, backup_dir=data.backups) as database, database.reading() as session:
            row = runs.get(session, run_id=int(name))
        if row is None:
            raise Trouble(f"there is no run {name}; give a run's number, its folder, or its model's file")
        return Path(row.folder)
    path = Path(name)
    if not path.exists():
        raise Trouble(f"there is no run at {name}; give a run's number, its folder, or its model's file")
    return path.parent if path.is_file() else path
