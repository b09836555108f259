"""A cell of a confusion matrix opens exactly its cards, whatever model it is of."""

from collections import Counter

import numpy as np
import pytest

from app.dataset.dataset_desk import DatasetDesk
from db import runs
from db.card_bin import move_to_bin
from db.labels import add_label
from db.predictions import add_predictions
from db.schema import CardPrediction
from engine.evaluation import predictions
from tests.db.row_factory import add_card, add_picture, card_by_name

MODEL = "a" * 64
# Labels and the model's grades of the cards c0 ... c7; None: no label, or a card that the model could not grade.
LABELS = [1, 1, 1, 9, 9, 10, 10, None]
GIVEN = [1, 2, 2, 9, 8, 10, None, 5]


def near(grade):
    return np.eye(10)[grade - 1] * 0.9 + 0.01


@pytest.fixture
def desk(data_home, monkeypatch):
    """The desk of eight cards that the model in use was asked about, and that a run was validated on."""
    monkeypatch.setattr("app.models.model_registry.sha256_in_use", lambda data: MODEL)
    with data_home.database.writing() as session:
        for number, (label, grade) in enumerate(zip(LABELS, GIVEN, strict=True)):
            picture = add_picture(
                session, path=f"/{number}", sha256=f"{number:064x}", width=1, height=1, phash="0" * 16
            )
            card = add_card(session, name=f"c{number}", front_id=picture.id)
            add_label(session, card_id=card.id, grade=label, source="import")
            answer = {"probabilities": None if grade is None else near(grade).tobytes()}
            add_predictions(session, predictions=[CardPrediction(card_id=card.id, model_sha256=MODEL, **answer)])
        values = {"recipe": "loupe", "parent": None, "config": {}, "snapshot_id": None, "log_path": ""}
        run = runs.add_run(session, folder=data_home.data.run_folder(1), **values)
    shown = [number for number in range(len(LABELS)) if LABELS[number] and GIVEN[number]]
    data_home.data.run_folder(run.id).mkdir(parents=True)
    predictions.write(
        data_home.data.run_folder(run.id) / predictions.FILE_NAME,
        predictions.Predictions(
            tuple(f"c{number}" for number in shown),
            tuple(f"c{number}" for number in shown),
            np.array([LABELS[number] for number in shown]),
            np.array([near(GIVEN[number]) for number in shown]),
        ),
    )
    functions = {
        function.__name__: function for function in DatasetDesk(data_home.database, data_home.data).functions()
    }
    return lambda name, **values: functions[name](values)


def ids_of(home, *names):
    with home.database.reading() as session:
        return [card_by_name(session, name=name).id for name in names]


@pytest.mark.parametrize("model", ["in-use", "run-1"])
def test_each_cell_opens_as_many_cards_as_it_counts_and_the_right_ones(desk, data_home, model):
    wanted = Counter(zip(LABELS, GIVEN, strict=True))
    table = desk("confusion_table", model=model)["confusion"]
    cells = [(label, grade) for label in range(1, 11) for grade in range(1, 11)]
    assert {cell: table[cell[0] - 1][cell[1] - 1] for cell in cells if table[cell[0] - 1][cell[1] - 1]} == {
        cell: count for cell, count in wanted.items() if None not in cell
    }
    assert desk("confusion_cards", model=model, truth=1, predicted=2) == {
        "ids": ids_of(data_home, "c1", "c2"),
        "gone": 0,
    }
    assert desk("confusion_cards", model=model, truth=2, predicted=1)["ids"] == []


def test_a_corrected_label_moves_its_card_for_the_model_in_use_and_not_for_a_run(desk, data_home):
    [moved] = ids_of(data_home, "c1")
    with data_home.database.writing() as session:
        add_label(session, card_id=moved, grade=2.5, source="person")
    assert desk("confusion_cards", model="in-use", truth=2, predicted=2)["ids"] == [moved]
    assert moved in desk("confusion_cards", model="run-1", truth=1, predicted=2)["ids"]


def test_a_card_in_the_bin_is_counted_as_gone(desk, data_home):
    kept, binned = ids_of(data_home, "c1", "c2")
    with data_home.database.writing() as session:
        move_to_bin(session, card_ids=[binned])
    assert desk("confusion_cards", model="run-1", truth=1, predicted=2) == {"ids": [kept], "gone": 1}
    assert desk("confusion_cards", model="in-use", truth=1, predicted=2) == {"ids": [kept], "gone": 0}


def test_every_model_with_answers_can_be_chosen_and_no_other(desk):
    assert desk("confusion_models")["models"] == [
        {"value": "in-use", "text": "starter, in use"},
        {"value": "run-1", "text": "Run 1: loupe, queued"},
    ]
    for model in ("run-2", "run-x", "run-", "model-b", "", "../../etc"):
        assert desk("confusion_table", model=model)["problem"].startswith("the answers of this model are not here")
