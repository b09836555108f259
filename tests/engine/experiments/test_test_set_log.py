"""Log of every use of the test split, in the data folder under the model's hash."""

import json

import pytest

from engine.experiments.test_set_log import CannotLogTestAccess, access_count, copy_log, log_test_access


@pytest.fixture
def logs(tmp_path):
    return tmp_path / "logs"


def test_test_set_uses_are_counted_for_each_model_file_wherever_it_is(tmp_path, logs):
    model, copy = tmp_path / "a" / "model.pt", tmp_path / "b" / "promoted.pt"
    assert access_count(logs, model, "a") == 0
    assert log_test_access(logs, model, sha256="a", cards=6, of="/m.csv") == 1
    assert log_test_access(logs, copy, sha256="a", cards=5, of="/m.csv") == 2
    assert log_test_access(logs, model, sha256="b", cards=5, of="/m.csv") == 1
    assert access_count(logs, model, "a") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["logs"], "nothing is written next to the model"
    lines = [json.loads(line) for line in (logs / "a.jsonl").read_text().splitlines()]
    assert [(line["sha256"], line["cards"], line["of"]) for line in lines] == [("a", 6, "/m.csv"), ("a", 5, "/m.csv")]


def test_the_log_of_an_earlier_version_next_to_the_model_counts(tmp_path, logs):
    (tmp_path / "test_openings.jsonl").write_text('{"cards": 1}\n{"cards": 2}\n')
    model = tmp_path / "model.pt"
    assert access_count(logs, model, "a") == 2
    assert log_test_access(logs, model, sha256="a", cards=6, of="/m.csv") == 3
    copy_log(logs, model, "a", derived=tmp_path / "eight.pt", derived_sha256="b")
    assert access_count(logs, tmp_path / "eight.pt", "b") == 3, "the lines of the shared folder are not counted twice"
    copy_log(logs, model, "a", derived=tmp_path / "new" / "eight.pt", derived_sha256="b")
    assert access_count(logs, tmp_path / "new" / "eight.pt", "b") == 3


def test_the_test_split_cannot_be_used_if_its_use_cannot_be_logged(tmp_path):
    (tmp_path / "logs").write_text("a file, not a folder")
    with pytest.raises(CannotLogTestAccess, match="cannot be logged"):
        log_test_access(tmp_path / "logs", tmp_path / "model.pt", sha256="a", cards=6, of="/m.csv")


def test_a_derived_model_inherits_each_test_set_use_once(tmp_path, logs):
    old, new = tmp_path / "old.pt", tmp_path / "new.pt"

    def copy():
        copy_log(logs, old, "a", derived=new, derived_sha256="b")

    copy()
    assert not logs.exists(), "there is no use to copy"
    log_test_access(logs, new, sha256="b", cards=5, of="/n.csv")
    for _ in range(2):  # within one second, the two lines are equal
        log_test_access(logs, old, sha256="a", cards=6, of="/m.csv")
    for _ in range(2):
        copy()
        assert access_count(logs, new, "b") == 3
    log_test_access(logs, old, sha256="a", cards=6, of="/m.csv")
    copy()
    assert (access_count(logs, old, "a"), access_count(logs, new, "b")) == (3, 4)
    copy_log(logs, old, "a", derived=tmp_path / "copy.pt", derived_sha256="a")
    assert access_count(logs, old, "a") == 3, "a plain copy has the same file"
