"""Our recipe, found one change at a time in the ledger: against the ordinal recipe, and then against itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.runs.plan_input import Said
from app.settings import DataFolder
from engine.evaluation.predictions import Predictions
from evidence.cached_json import write
from evidence.collection import collected
from evidence.figures import differences
from evidence.ledger import Way, said_by, trained

SEEDS = (1, 2)
# So small that a run takes a few minutes on two cores: what is chosen here is tried at full size in `simulated`.
SHARED: dict[str, Any] = {
    "back_encoder": "resnet18",
    "image_size": 96,
    "phase2_epochs": 8,
    "max_pairs": 1000,
    "measured_targets": False,
    "precision": "bf16",
    "device": "cpu",
}
SMALL = Said(bundle="a recipe at a size at which many changes can be tried")


@dataclass(frozen=True)
class Round:
    """Changes that are tried on one recipe, by its name."""

    recipe: str
    changes: tuple[Way, ...]

    @property
    def reference(self) -> Way:
        """The recipe as it is."""
        return Way(f"{self.recipe}, small", self.recipe, {}, SMALL)


def _change(name: str, hypothesis: str, recipe: str = "ordinal", **settings: Any) -> Way:
    return Way(name, recipe, settings, Said(hypothesis=hypothesis))


CHANGES = (
    _change("plain colours", "red, green and blue do as well as lightness, colours and gradients", channels="rgb"),
    _change("larger pictures", "what a grade hangs on is a pixel wide at 96 px", image_size=160),
    _change("sides alike", "the front shows as much as the back", fusion_weight=0.5),
    _change("no rim mask", "attention finds the rim without being told where it lies", attention="cbam"),
    _change("measured inputs", "millimetres say what pixels cannot show", measured_inputs=True),
    _change(
        "measured inputs, hidden on a fifth of the sides",
        "the pixels are learned too, and the grade suffers little",
        measured_inputs=True,
        measured_dropout=0.2,
    ),
    _change("a side hidden on a tenth of the cards", "one side can be graded at little cost", side_dropout=0.1),
    _change("cosine", "few epochs are best spent on a rate that falls to nothing", schedule="cosine"),
    _change("averaged weights", "the moving average is steadier than any epoch", ema_decay=0.98),
    _change("regions", "corners and edges at their own resolution show the wear", regions=True),
    _change("rare grades made by wear", "worn copies of high grades teach the rare low ones", worn_up_to=100),
    _change("rare grades drawn more often", "the rare grades are learned too seldom", sampler_eta=0.5),
    _change("classes", "ten classes with EMD, unweighted, against cumulative logits", loss="ce_emd"),
    _change(
        "no augmentation", "so few epochs do not learn the pictures by heart, and need no moved ones", augment=False
    ),
    _change("no attention", "the back is read as well without attention", attention="none"),
    _change("measured targets", "to be taught edge damage and centering helps the grade", measured_targets=True),
    _change("soft labels", "a grader who errs by one is better told so", soft_label_width=0.5),
)


# The other loss, and two that two seeds could not tell from chance: is anything left to gain beside what is measured?
AGAIN = (
    _change("averaged weights", "steadier weights help a cosine too", recipe="loupe", ema_decay=0.98),
    _change("regions", "corners and edges show wear that was not measured", recipe="loupe", regions=True),
    _change("classes", "measured cards are told apart by ten classes as well", recipe="loupe", loss="ce_emd"),
)
ROUNDS = (Round("ordinal", CHANGES), Round("loupe", AGAIN))


def run(folder: Path) -> dict[str, Any]:
    """Train every round's reference and changes; returns what changes.json then holds.

    A seed chooses its own cards to train on and to choose the epoch by. All are judged on all of the validation cards.
    """
    data = collected(folder)
    found = {"told": SHARED, "seeds": list(SEEDS), "rounds": [_round(data, each) for each in ROUNDS]}
    write(folder / "changes.json", found)
    return found


def _round(data: DataFolder, told: Round) -> dict[str, Any]:
    """The recipe, and a row for each change."""
    reference = [trained(data, told.reference, seed, SHARED) for seed in SEEDS]
    before = [said_by(data, run, "val") for run in reference]
    said_after: dict[str, list[Predictions]] = {}
    for change in told.changes:
        for seed, parent in zip(SEEDS, reference, strict=True):
            said = Said(parent=str(parent.id), hypothesis=change.said.hypothesis, bundle=_bundle(change))
            way = Way(change.name, change.recipe, change.settings, said)
            said_after.setdefault(change.name, []).append(said_by(data, trained(data, way, seed, SHARED), "val"))
    found = differences({name: (after, before) for name, after in said_after.items()})
    rows = [{"change": each.name, "hypothesis": each.said.hypothesis, **found[each.name]} for each in told.changes]
    return {"recipe": told.recipe, "rows": rows}


def _bundle(change: Way) -> str:
    return "the second says how the first is used" if len(change.settings) > 1 else ""
