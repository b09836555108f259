"""Every opening of a test split is counted, beside the model."""

import json

import pytest

from engine.experiments.test_set_log import CannotCount, carry, open_test, openings


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


def test_a_model_made_from_another_has_its_openings_each_once(tmp_path):
    old, made = tmp_path / "old" / "model.pt", tmp_path / "new" / "model.pt"
    for path in (old, made):
        path.parent.mkdir()
    carry(old, made)
    assert not list(made.parent.iterdir()), "nothing was opened"
    open_test(made, sha256="b", cards=5, of="/n.csv")
    for _ in range(2):  # within one second, the two read alike
        open_test(old, sha256="a", cards=6, of="/m.csv")
    for _ in range(2):
        carry(old, made)
        assert openings(made) == 3
    open_test(old, sha256="a", cards=6, of="/m.csv")
    carry(old, made)
    assert (openings(old), openings(made)) == (3, 4)
    carry(old, old.with_name("model-8-bits.pt"))
    assert openings(old) == 3, "one folder, one file"


def test_openings_that_cannot_be_carried_are_told(tmp_path):
    open_test(tmp_path / "model.pt", sha256="a", cards=6, of="/m.csv")
    with pytest.raises(CannotCount, match="cannot be counted there"):
        carry(tmp_path / "model.pt", tmp_path / "gone" / "model.pt")
