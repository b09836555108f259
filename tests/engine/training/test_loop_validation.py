"""Validation cards that say nothing by QWK, and labels that say nothing at all."""

from dataclasses import replace

import numpy as np
import pytest

from engine.data.selection import OneGrade
from engine.evaluation import model_selection
from engine.events import EpochDone, Notice, Saved
from engine.experiments.run_folder import MODEL
from engine.training import loop
from tests.engine.training_helpers import config, events_of, run

pytestmark = pytest.mark.usefixtures("no_fsync")


def test_validation_cards_of_one_grade_choose_the_epoch_by_ranked_probability_score_and_the_run_says_so(
    tmp_path, cards, prepared
):
    one_grade = [replace(card, grade=9) if card.split == "val" else card for card in cards]
    events = run(config(phase2_epochs=2, batch_size=10), one_grade, tmp_path / "run", prepared)
    assert any(notice.text.startswith("all 4 validation cards have grade 9") for notice in events_of(Notice, events))
    epochs = events_of(EpochDone, events)
    best = int(np.argmin([done.metrics["rps"] for done in epochs]))
    assert events[-1].summary["saved_epoch"] == 1 + best
    assert events[-1].summary["chosen_by"] == "rps"


def test_epochs_of_equal_qwk_are_chosen_by_ranked_probability_score_and_the_run_says_so_once(
    tmp_path, cards, prepared, monkeypatch
):
    plain, scores = loop.summarize, iter([0.3, 0.2, 0.25])

    def equal_qwk(*arguments):
        metrics, loss, probabilities = plain(*arguments)
        return {**metrics, "qwk": 0.5, "rps": next(scores)}, loss, probabilities

    monkeypatch.setattr(loop, "summarize", equal_qwk)
    monkeypatch.setattr(model_selection, "MIN_CARDS_FOR_QWK", 4)
    events = run(config(phase2_epochs=3, batch_size=10), cards, tmp_path / "run", prepared)
    assert [saved.epoch for saved in events_of(Saved, events) if saved.path.name == MODEL] == [1, 2]
    assert [notice.text.split(":")[0] for notice in events_of(Notice, events)][1:] == [
        "epochs 1 and 2 have the same validation QWK"
    ]


@pytest.mark.parametrize(("count", "start"), [(8, "all 8 training cards have grade 7"), (1, "the only training card")])
def test_equal_labels_are_refused_before_anything_is_written(tmp_path, cards, prepared, count, start):
    training = [replace(card, grade=7.5) for card in cards if card.split == "train"][:count]
    rest = [card for card in cards if card.split == "val"]
    with pytest.raises(OneGrade, match=rf"^{start}.* a model would learn nothing; label cards of other grades$"):
        run(config(), [*training, *rest], tmp_path / "run", prepared)
    assert not (tmp_path / "run").exists()


def test_labels_that_are_equal_once_unreadable_pictures_are_left_out_are_refused_before_training(
    tmp_path, cards, prepared
):
    broken = tmp_path / "broken.png"
    broken.write_text("no picture")
    training = [card if card.grade == 9 else replace(card, front=broken, back=None) for card in cards]
    pairs = [card if card.split == "val" else training[index] for index, card in enumerate(cards)]
    with pytest.raises(OneGrade, match="all 2 training cards have grade 9"):
        run(config(), pairs, tmp_path / "run", prepared)


def test_worn_copies_count_as_labels_of_other_grades(tmp_path, cards):
    """They are made of nines and tens, so that labels of these grades alone suffice with them."""
    tens = [replace(card, grade=10) for card in cards if card.split == "train"]
    settings = config(synthetic_wear_per_grade=1)
    loop.check_labels(tens, settings)
    with pytest.raises(OneGrade):
        loop.check_labels(tens, config())
