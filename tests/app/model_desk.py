"""Models that answer as told, to compare and promote without a network."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from app.models import compare_models, promotion
from app.models.named_model import NamedModel
from db import runs
from engine.cards.pairs import CardPair
from engine.config import build
from engine.data.selection import LabelledCard
from engine.evaluation.calibration import Calibration
from engine.evaluation.conformal import Pool
from engine.evaluation.predictions import Predictions
from engine.events import Progress
from engine.experiments import run_folder

# The whole scale for every card: always right, as often as promised or more.
CALIBRATION = Calibration(1.0, 0.9, (Pool(1, 10, 100, 100, float("inf")),), 10, 100, 100, "other cards")
GRADES = np.random.default_rng(0).integers(1, 11, 150)


def card(number, split="val", **values):
    return CardPair(
        f"c{number}",
        Path(f"/pictures/{number}.png"),
        None,
        float(GRADES[number]),
        split=split,
        front_sha256=hashlib.sha256(str(number).encode()).hexdigest(),
        **values,
    )


class Desk:
    """A data folder whose models answer as told; `asked` are the cards that each was asked about."""

    def __init__(self, home, monkeypatch):
        self.home, self.asked = home, {}
        self.pairs = [card(number) for number in range(len(GRADES))]
        self.widths, self.calibrated, self.out_of_fold = {}, {}, {}
        monkeypatch.setattr(compare_models, "pairs_from_rows", lambda database: (self.pairs, []))
        monkeypatch.setattr(compare_models, "predict_cards", self._predict)
        monkeypatch.setattr(NamedModel, "load", lambda named: self._load(named))  # noqa: PLW0108 - bound to the model

    def _load(self, named):
        content = named.path.read_bytes()
        return SimpleNamespace(
            sha256=named.sha256,
            content=content,
            calibration=CALIBRATION if self.calibrated.get(content, True) else None,
            out_of_fold=self.out_of_fold.get(content),
        )

    def _predict(self, model, pairs, cache):
        """Errors of up to a width in grades, which stands in the file, as in b"2: errors up to two"; 9: always a 10."""
        self.asked[model.content] = [pair.card_id for pair in pairs]
        yield Progress("pictures", 0, 1, 1)
        cards = [LabelledCard(pair, pair.target()) for pair in pairs]
        width = int(model.content[:1])
        errors = np.random.default_rng(len(model.content)).integers(-width, width + 1, len(GRADES))
        shown = [int(np.clip(labelled.grade + errors[int(labelled.pair.card_id[1:])], 1, 10)) for labelled in cards]
        shown = [10] * len(cards) if width == 9 else shown
        yield Predictions.from_cards(cards, np.eye(10)[np.array(shown, int) - 1] * 0.9 + 0.01)

    def run_with(self, content: bytes, trained_on=(), **settings) -> int:
        """A finished run whose model file has this content, trained on these cards."""
        with self.home.database.writing() as session:
            values = {"recipe": "loupe", "parent": None, "config": {}, "snapshot_id": None}
            run = runs.add_run(session, **values, folder="", log_path="")
            folder = self.home.data.run_folder(run.id)
            run.folder, run.log_path = str(folder), str(self.home.data.log(run.id))
        run_folder.save(folder, build(settings), [pair.absolute() for pair in trained_on])
        (folder / run_folder.MODEL).write_bytes(content)
        return run.id

    def promote(self, name, reason=""):
        *_, comparison = promotion.promote(self.home.database, self.home.data, str(name), reason=reason, author="ann")
        return comparison

    def rolls_back(self, to=None):
        return promotion.roll_back(self.home.database, self.home.data, to=to, author="bob").title

    @property
    def in_use(self):
        model = promotion.in_use(self.home.database, self.home.data)
        return None if model is None else model.name

    @property
    def last(self):
        return promotion.history(self.home.database)[0]
