"""Every opening of a test split is counted, beside the model."""

import json

import pytest

from engine.openings import CannotCount, open_test, openings


def test_openings_are_counted_one_by_one_for_all_models_of_a_folder(tmp_path):
    model = tmp_path / "model.pt"
    assert openings(model) == 0
    assert open_test(model, sha256="a", cards=6, of="/m.csv") == 1
    assert open_test(tmp_path / "promoted.pt", sha256="b", cards=5, of="/m.csv") == 2
    assert openings(model) == 2
    lines = [json.loads(line) for line in (tmp_path / "test_openings.jsonl").read_text().splitlines()]
    assert [(line["sha256"], line["cards"], line["of"]) for line in lines] == [("a", 6, "/m.csv"), ("b", 5, "/m.csv")]


def test_a_test_split_whose_opening_cannot_be_counted_stays_closed(tmp_path):
    (tmp_path / "test_openings.jsonl").mkdir()
    with pytest.raises(CannotCount, match="cannot be counted there"):
        open_test(tmp_path / "model.pt", sha256="a", cards=6, of="/m.csv")
