"""Predictions are read back as they were written."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from engine.evaluation.predictions import BadPredictions, Predictions, read, write


@pytest.fixture
def predictions():
    random = np.random.default_rng(0)
    names = ("plain", 'a "quoted", name', "リザードン\u2028card")
    return Predictions(names, ("g", "g", "h"), np.array([1, 10, 5]), random.dirichlet(np.ones(10), 3))


def test_predictions_come_back_as_they_were_written(predictions, tmp_path):
    write(tmp_path / "p.csv", predictions)
    again = read(tmp_path / "p.csv")
    assert (again.cards, again.groups) == (predictions.cards, predictions.groups)
    np.testing.assert_array_equal(again.truth, predictions.truth)
    np.testing.assert_allclose(again.probabilities, predictions.probabilities, rtol=1e-8)
    with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as file:
        assert [row["card_id"] for row in csv.DictReader(file)] == list(predictions.cards)
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]


def test_cards_are_selected_by_id_in_the_given_order(predictions):
    selected = predictions.select_cards(["リザードン\u2028card", "plain"])
    assert (selected.groups, selected.truth.tolist()) == (("h", "g"), [5, 1])
    np.testing.assert_array_equal(selected.probabilities, predictions.probabilities[[2, 0]])
    both = Predictions.concatenate([selected, predictions.select_cards(['a "quoted", name'])])
    assert both.cards == ("リザードン\u2028card", "plain", 'a "quoted", name')


@pytest.mark.parametrize("content", [None, "", "card_id,grade\na,9\n", "card_id,group,grade,p1\na,g,nine,1\n"])
def test_a_file_that_is_no_predictions_file_is_refused_by_name(content, tmp_path):
    path = tmp_path / "p.csv"
    if content:
        path.write_text(content, encoding="utf-8")
    if content == "":
        path.mkdir()
    with pytest.raises(BadPredictions, match=r"p\.csv: "):
        read(path)


@pytest.mark.parametrize(
    ("grade", "first", "second"), [(9, "nan", 0.5), (9, 1.5, -0.5), (9, 0.5, 0.4), (11, 0.5, 0.5), (0, 0.5, 0.5)]
)
def test_values_that_are_no_probabilities_of_grades_are_refused(tmp_path, grade, first, second):
    names = ",".join(f"p{number}" for number in range(1, 11))
    row = f"a,g,{grade},{first},{second}" + ",0" * 8
    (tmp_path / "p.csv").write_text(f"card_id,group,grade,{names}\n{row}\n", encoding="utf-8")
    with pytest.raises(BadPredictions, match=r"p\.csv: is not a predictions file"):
        read(tmp_path / "p.csv")


def test_a_pipe_or_a_device_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(BadPredictions, match="is a pipe or a device, not a file"):
            read(path)
