"""`queue` asks the model in use about every card once and ranks the cards."""

import sqlite3
from contextlib import closing

import pytest

from tests.card_factory import write_cards
from tests.commands import call, run

pytestmark = pytest.mark.slow


def test_queue_asks_the_model_about_each_card_once_and_names_what_it_could_not_grade(tmp_path):
    manifest = write_cards(tmp_path / "cards", [9, 2, 9])
    data = tmp_path / "data"
    assert call("import", manifest, "--data", data).result["added"] == 3
    next(manifest.parent.glob("card-002_front*")).unlink()
    first = run("queue", "--by", "suspect", "--data", data)
    assert [set(entry) for entry in first.result] == [{"card_id", "score", "reasons"}] * 3
    scores = [entry["score"] for entry in first.result]
    assert scores == sorted(scores, reverse=True)
    reasons = {entry["card_id"]: entry["reasons"] for entry in first.result}
    assert reasons["card-002"][0].startswith("not scored: ")
    with closing(sqlite3.connect(data / "loupe.db")) as connection:
        asked = "SELECT id, card_id, length(probabilities) FROM card_predictions ORDER BY card_id"
        rows = connection.execute(asked).fetchall()
        assert [length for *_, length in rows] == [80, 80, None]
        assert run("queue", "--limit", 1, "--data", data).result == first.result[:1]
        assert connection.execute(asked).fetchall() == rows, "no card is asked about again"


def test_an_unknown_order_is_refused(tmp_path):
    answer = run("queue", "--by", "beauty", "--data", tmp_path)
    assert answer.exit_code == 2
    assert "beauty" in answer.err
    assert "Traceback" not in answer.err
