"""One card by commands: import, correct, train, grade with both overlays, correct, retrain."""

import json
from pathlib import Path

import pytest
from PIL import Image

from db import labels
from db.session import Database
from tests.card_factory import card_picture
from tests.commands import call, settings
from tests.db.row_factory import card_by_name


@pytest.mark.slow
def test_a_card_passes_from_import_through_training_and_grading_to_retraining(manifest, tmp_path, restore_signals):
    data = ("--data", tmp_path / "data")

    # Imported: thirty labelled cards.
    assert call("import", manifest, *data).result == {"added": 30, "known": 0, "refused": [], "changed_labels": 0}

    # Corrected: a person's label stays current, also after the next import.
    with Database.open(tmp_path / "data" / "loupe.db") as database, database.writing() as session:
        card = card_by_name(session, name="card-000")
        labels.add_label(session, card_id=card.id, grade=9, source="person")
    assert call("import", manifest, *data).result["known"] == 30
    assert labels_exported(tmp_path)["card-000"] == "9"

    # Frozen and trained on: the snapshot has the corrected grade, the thirty cards and their fixed splits.
    first = call("train", "--recipe", "baseline", *settings(), *data)
    assert first.exit_code == 0, first.err
    frozen = snapshots(tmp_path)
    assert [len(pairs) for pairs in frozen] == [30]
    assert frozen[0]["card-000"] == "9"

    # Graded: an unseen card, with both overlays.
    pair = [tmp_path / f"new_{side}.png" for side in ("front", "back")]
    for path, side in zip(pair, ("front", "back"), strict=True):
        Image.fromarray(card_picture(3, seed=77, side=side)).save(path)
    graded = call("grade", *pair, "--model", first.result["model"], "--out", tmp_path / "graded", *data)
    assert graded.exit_code == 0, graded.err
    assert graded.result["model"]["trained_on"].startswith("18 cards")
    for side in ("front", "back"):
        with Image.open(graded.result[side]["overlay"]) as overlay:
            assert overlay.format == "PNG"
            assert overlay.size[0] < overlay.size[1], "a card stands upright"

    # Corrected: its true grade is 3, and it is imported like any other card.
    row = f"card_id,front,back,grade,split\nnew,{pair[0]},{pair[1]},3,train\n"
    (tmp_path / "new.csv").write_text(row, encoding="utf-8")
    expected = {"added": 1, "known": 0, "refused": [], "changed_labels": 0}
    assert call("import", tmp_path / "new.csv", *data).result == expected

    # Retrained: from the labels as they are now.
    second = call("train", "--recipe", "baseline", *settings(), *data)
    assert second.exit_code == 0, second.err
    assert [len(pairs) for pairs in snapshots(tmp_path)] == [30, 31]
    again = call("grade", *pair, "--model", second.result["model"], *data).result
    assert again["model"]["trained_on"].startswith("19 cards")
    assert again["model"]["sha256"] != graded.result["model"]["sha256"]
    assert call("export", "history", *data).result["runs"] == 2
    assert call("evaluate", "--model", second.result["model"], "--split", "all", *data).result["n"] == 31


def labels_exported(tmp_path: Path) -> dict[str, str]:
    """card_id -> grade of `export labels`."""
    path = Path(call("export", "labels", "--data", tmp_path / "data").result["path"])
    rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    return {row[0]: row[3] for row in rows}


def snapshots(tmp_path: Path) -> list[dict[str, str]]:
    """card_id -> grade of each frozen file, the smaller first."""
    files = (tmp_path / "data" / "snapshots").glob("*.jsonl")
    read = [[json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] for file in files]
    return sorted(({row["card_id"]: row["grade"] for row in rows} for rows in read), key=len)
