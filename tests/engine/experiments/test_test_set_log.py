"""Log of every use of the test split, in the model's folder."""

import json

import pytest

from engine.experiments.test_set_log import CannotLogTestAccess, access_count, copy_log, log_test_access


def test_test_set_uses_are_counted_for_all_models_of_a_folder(tmp_path):
    model = tmp_path / "model.pt"
    assert access_count(model) == 0
    assert log_test_access(model, sha256="a", cards=6, of="/m.csv") == 1
    assert log_test_access(tmp_path / "promoted.pt", sha256="b", cards=5, of="/m.csv") == 2
    assert access_count(model) == 2
    lines = [json.loads(line) for line in (tmp_path / "test_openings.jsonl").read_text().splitlines()]
    assert [(line["sha256"], line["cards"], line["of"]) for line in lines] == [("a", 6, "/m.csv"), ("b", 5, "/m.csv")]


def test_the_test_split_cannot_be_used_if_its_use_cannot_be_logged(tmp_path):
    (tmp_path / "test_openings.jsonl").mkdir()
    with pytest.raises(CannotLogTestAccess, match="cannot be logged"):
        log_test_access(tmp_path / "model.pt", sha256="a", cards=6, of="/m.csv")


def test_a_derived_model_inherits_each_test_set_use_once(tmp_path):
    old, derived = tmp_path / "old" / "model.pt", tmp_path / "new" / "model.pt"
    for path in (old, derived):
        path.parent.mkdir()
    copy_log(old, derived)
    assert not list(derived.parent.iterdir()), "there is no use to copy"
    log_test_access(derived, sha256="b", cards=5, of="/n.csv")
    for _ in range(2):  # within one second, the two lines are equal
        log_test_access(old, sha256="a", cards=6, of="/m.csv")
    for _ in range(2):
        copy_log(old, derived)
        assert access_count(derived) == 3
    log_test_access(old, sha256="a", cards=6, of="/m.csv")
    copy_log(old, derived)
    assert (access_count(old), access_count(derived)) == (3, 4)
    copy_log(old, old.with_name("model-8-bits.pt"))
    assert access_count(old) == 3, "one folder, one file"


def test_test_set_uses_that_cannot_be_copied_are_reported(tmp_path):
    log_test_access(tmp_path / "model.pt", sha256="a", cards=6, of="/m.csv")
    with pytest.raises(CannotLogTestAccess, match="cannot be logged"):
        copy_log(tmp_path / "model.pt", tmp_path / "gone" / "model.pt")
