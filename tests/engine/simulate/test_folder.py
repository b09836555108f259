"""A folder of simulated cards: the same bytes however many processes and stops it took; no other cards on top."""

import json
from pathlib import Path

import pytest

from engine.cards.pairs import read_manifest
from engine.simulate.cards import Recipe
from engine.simulate.folder import LABELS, TRUTH, BadFolder, write_cards
from engine.simulate.wear.truth import read_truth
from tests.commands import call, run

RECIPE = Recipe(seed=2, mix="uniform", noise=1.0, height=220)
WORDS = ("--seed", 2, "--mix", "uniform", "--noise", 1.0, "--height", 220)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Eight cards written at once, by one process."""
    folder = tmp_path_factory.mktemp("whole")
    told = []
    write_cards(folder, RECIPE, 8, workers=1, progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 8) for done in range(1, 9)]
    return folder


def test_the_manifest_names_every_card_with_its_label_and_group(whole):
    manifest, truth = read_manifest(whole / LABELS), read_truth(whole / TRUTH)
    assert manifest.refused == []
    assert [pair.grade for pair in manifest.pairs] == [card.label for card in truth]
    assert any(card.label != card.grade for card in truth)
    for pair, card in zip(manifest.pairs, truth, strict=True):
        assert (pair.card_id, pair.group, pair.game) == (card.card_id, card.group, card.game)
        assert pair.front == whole / card.front.picture
        assert pair.front.is_file()
        assert pair.back.is_file()
    assert str(whole) not in (whole / LABELS).read_text(encoding="utf-8")


def test_two_processes_of_the_command_leave_the_same_bytes(whole, tmp_path):
    said = run("simulate", "--pairs", 8, *WORDS, "--out", tmp_path / "out", "--workers", 2)
    assert said.code == 0, said.err
    assert content(tmp_path / "out") == content(whole)
    assert said.result["pairs"] == said.result["made"] == 8
    assert sum(said.result["grades"].values()) == sum(said.result["labels"].values()) == 8
    assert 0 < said.result["noise"]["best"]["qwk"] < 1


def test_a_folder_left_in_the_midst_of_a_line_is_gone_on_with(whole, tmp_path):
    folder = tmp_path / "out"
    write_cards(folder, RECIPE, 5, workers=1)
    truth = (folder / TRUTH).read_bytes()
    (folder / TRUTH).write_bytes(truth[:-40])
    (folder / "images" / "card-000006_front.jpg.part").write_bytes(b"half a picture")
    written = write_cards(folder, RECIPE, 8, workers=1)
    assert (len(written.cards), written.made) == (8, 4)
    (folder / "images" / "card-000006_front.jpg.part").unlink(missing_ok=True)
    assert content(folder) == content(whole)
    assert write_cards(folder, RECIPE, 8, workers=1).made == 0


def test_other_cards_are_refused_in_one_sentence_and_nothing_is_touched(whole):
    before = content(whole)
    said = call("simulate", "--pairs", 8, "--seed", 3, "--mix", "uniform", "--height", 220, "--out", whole)
    assert said.complaint.endswith("holds cards drawn with seed 2, not 3; choose another folder")
    with pytest.raises(BadFolder, match="already holds 8 cards, more than 4"):
        write_cards(whole, RECIPE, 4, workers=1)
    assert content(whole) == before


def test_a_folder_of_a_user_s_own_labels_is_never_written_to(tmp_path):
    (tmp_path / LABELS).write_text("card_id,front\nmine,mine.jpg\n", encoding="utf-8")
    with pytest.raises(BadFolder, match=r"already holds a labels\.csv"):
        write_cards(tmp_path, RECIPE, 2, workers=1)
    assert (tmp_path / LABELS).read_text(encoding="utf-8").startswith("card_id,front\nmine")


def test_kinds_are_chosen_by_name_and_weight(tmp_path):
    small = ("--pairs", 3, "--seed", 1, "--height", 200, "--workers", 1)
    said = call("simulate", *small, "--kinds", "scan=3,slab=0", "--out", tmp_path / "a", "--json", tmp_path / "a.json")
    assert (said.code, said.out) == (0, "")
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["kinds"] == {"scan": 3}
    for words, part in (("fax", "knows no 'fax'"), ("scan=x", "'x' is no weight"), ("scan=0", "draws nothing")):
        assert part in call("simulate", *small, "--kinds", words, "--out", tmp_path / "b").complaint
    assert "holds no pictures" in call("simulate", *small, "--art", tmp_path, "--out", tmp_path / "c").complaint
