"""Training cards of a model and of the models it was initialized from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.cards.leakage import shared_pictures
from engine.cards.pairs import CardPair
from engine.config import WEIGHTS
from engine.data.selection import training_and_validation
from engine.errors import BadInput
from engine.experiments.run_folder import load
from engine.storage.checkpoint import is_loupe_checkpoint


@dataclass(frozen=True)
class TrainingCards:
    """Training cards of a model and its ancestors; `unknown` is the first model without a run in its folder.

    from_starter  the first ancestor is the starter, whose training cards its file names
    """

    cards: list[CardPair]
    unknown: Path | None = None
    from_starter: bool = False


def training_cards(model: Path) -> TrainingCards:
    """Collect the training cards of a model and its ancestors, as far as their run folders exist.

    Those of the starter model are left out: its file names them by the hashes of their pictures.
    """
    cards: list[CardPair] = []
    visited: set[Path] = set()
    while model.resolve() not in visited:  # a run may have been started in the folder of its own ancestor
        visited.add(model.resolve())
        try:
            config, pairs = load(model.parent)
        except BadInput:
            return TrainingCards(cards, unknown=model)
        cards += [pair for pair in training_and_validation(pairs, config) if pair.split == "train" and pair.has_class]
        if config.pretrained == "starter":
            return TrainingCards(cards, from_starter=True)
        parent = Path(config.pretrained)
        if config.pretrained in WEIGHTS or (parent.exists() and not is_loupe_checkpoint(parent)):
            break
        model = parent
    return TrainingCards(cards)


def overlapping_cards(cards: Sequence[CardPair], others: Sequence[CardPair]) -> list[CardPair]:
    """Cards of `others` that share a picture with one of `cards`, compared by the bytes of the file.

    A back shared by two cards does not count, as in `engine.cards.leakage.check_no_leakage`.
    """
    first = len(cards)
    links = shared_pictures([*cards, *others])
    indices = {link.second for link in links if link.first < first <= link.second and not link.both_backs}
    return [others[index - first] for index in sorted(indices)]
