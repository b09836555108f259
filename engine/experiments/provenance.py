"""Which cards a model has learned from: those of the run it lies beside, and of the models which that goes back to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.cards.leakage import same_pictures
from engine.cards.pairs import CardPair
from engine.config import WEIGHTS
from engine.data.selection import taken
from engine.errors import BadInput
from engine.experiments.run_folder import told
from engine.storage.checkpoint import is_ours


@dataclass(frozen=True)
class Learned:
    """The cards that a model and those before it have learned from; `unknown` is the first that no run tells of."""

    cards: list[CardPair]
    unknown: Path | None = None


def learned_by(model: Path) -> Learned:
    """Go back from a model to the one it began from, and so on, as far as the runs beside them tell.

    The starter has learned from simulated cards alone, which nobody else has.
    """
    cards: list[CardPair] = []
    seen: set[Path] = set()
    while model.resolve() not in seen:  # a run may have been begun in the folder of one that it goes back to
        seen.add(model.resolve())
        try:
            config, pairs = told(model.parent)
        except BadInput:
            return Learned(cards, unknown=model)
        cards += [pair for pair in taken(pairs, config) if pair.split == "train" and pair.has_class]
        before = Path(config.pretrained)
        if config.pretrained in WEIGHTS or (before.exists() and not is_ours(before)):
            break
        model = before
    return Learned(cards)


def again(cards: Sequence[CardPair], others: Sequence[CardPair]) -> list[CardPair]:
    """Those of the others that show a picture of the cards, by its bytes, wherever the file lies now.

    A back that is another card's back too is passed over, as `engine.cards.leakage.refuse_leaks` does.
    """
    first = len(cards)
    links = same_pictures([*cards, *others])
    places = {link.other for link in links if link.one < first <= link.other and not link.backs}
    return [others[place - first] for place in sorted(places)]
