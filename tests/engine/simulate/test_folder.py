"""Folder of simulated cards: identical for any number of processes and interruptions; other cards are refused."""

import json
from pathlib import Path

import pytest

from engine.cards.pairs import read_manifest
from engine.simulate.cards import SimulationConfig
from engine.simulate.folder import LABELS_FILE, TRUTH_FILE, BadFolder, write_cards
from engine.simulate.wear.truth import read_truth
from engine.storage.disk_space import DiskFull
from tests.commands import call, run
from tests.full_disk import largest_file

CONFIG = SimulationConfig(seed=2, mix="uniform", noise=1.0, height=220)
OPTIONS = ("--seed", 2, "--mix", "uniform", "--noise", 1.0, "--height", 220)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folder of eight cards, written without interruption by one process."""
    folder = tmp_path_factory.mktemp("finished")
    calls = []
    write_cards(folder, CONFIG, 8, workers=1, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 8) for done in range(1, 9)]
    return folder


def test_the_manifest_names_every_card_with_its_label_and_group(finished):
    manifest, truth = read_manifest(finished / LABELS_FILE), read_truth(finished / TRUTH_FILE)
    assert manifest.refused == []
    assert [pair.grade for pair in manifest.pairs] == [card.label for card in truth]
    assert any(card.label != card.grade for card in truth)
    for pair, card in zip(manifest.pairs, truth, strict=True):
        assert (pair.card_id, pair.group, pair.game) == (card.card_id, card.group, card.game)
        assert pair.front == finished / card.front.picture
        assert pair.front.is_file()
        assert pair.back.is_file()
    assert str(finished) not in (finished / LABELS_FILE).read_text(encoding="utf-8")


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(finished, tmp_path):
    output = run("simulate", "--pairs", 8, *OPTIONS, "--out", tmp_path / "out", "--workers", 2)
    assert output.exit_code == 0, output.err
    assert content(tmp_path / "out") == content(finished)
    assert output.result["pairs"] == output.result["made"] == 8
    assert sum(output.result["grades"].values()) == sum(output.result["labels"].values()) == 8
    assert 0 < output.result["noise"]["best"]["qwk"] < 1


def test_on_a_full_disk_the_cards_so_far_are_kept_and_the_folder_is_resumed_when_there_is_room(finished, tmp_path):
    folder = tmp_path / "out"
    sizes = [picture.stat().st_size for picture in (finished / "images").iterdir()]
    with largest_file(max(sizes) - 1), pytest.raises(DiskFull, match=rf"^the disk is full: {folder}/images/"):
        write_cards(folder, CONFIG, 8, workers=1)
    assert not list(folder.rglob("*.part"))
    assert len(read_truth(folder / TRUTH_FILE)) < 8
    write_cards(folder, CONFIG, 8, workers=1)
    assert content(folder) == content(finished)


def test_a_folder_interrupted_within_a_line_is_resumed(finished, tmp_path):
    folder = tmp_path / "out"
    write_cards(folder, CONFIG, 5, workers=1)
    truth = (folder / TRUTH_FILE).read_bytes()
    (folder / TRUTH_FILE).write_bytes(truth[:-40])
    (folder / "images" / "card-000006_front.jpg.part").write_bytes(b"half a picture")
    written = write_cards(folder, CONFIG, 8, workers=1)
    assert (len(written.cards), written.new_count) == (8, 4)
    (folder / "images" / "card-000006_front.jpg.part").unlink(missing_ok=True)
    assert content(folder) == content(finished)
    assert write_cards(folder, CONFIG, 8, workers=1).new_count == 0


def test_other_cards_are_refused_and_nothing_is_changed(finished):
    before = content(finished)
    output = call("simulate", "--pairs", 8, "--seed", 3, "--mix", "uniform", "--height", 220, "--out", finished)
    assert output.error_line.endswith("contains cards simulated with seed 2, not 3; choose another folder")
    with pytest.raises(BadFolder, match="already contains 8 cards, more than 4"):
        write_cards(finished, CONFIG, 4, workers=1)
    assert content(finished) == before


def test_a_folder_with_a_user_s_labels_is_never_written_to(tmp_path):
    (tmp_path / LABELS_FILE).write_text("card_id,front\nmine,mine.jpg\n", encoding="utf-8")
    with pytest.raises(BadFolder, match=r"already contains a labels\.csv"):
        write_cards(tmp_path, CONFIG, 2, workers=1)
    assert (tmp_path / LABELS_FILE).read_text(encoding="utf-8").startswith("card_id,front\nmine")


def test_kinds_are_chosen_by_name_and_weight(tmp_path):
    small = ("--pairs", 3, "--seed", 1, "--height", 200, "--workers", 1)
    output = call(
        "simulate", *small, "--kinds", "scan=3,slab=0", "--out", tmp_path / "a", "--json", tmp_path / "a.json"
    )
    assert (output.exit_code, output.out) == (0, "")
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["kinds"] == {"scan": 3}
    for kinds, message in (
        ("fax", "unknown kind 'fax'"),
        ("scan=x", "the weight 'x' of scan is not a number"),
        ("scan=0", "at least one above 0"),
    ):
        assert message in call("simulate", *small, "--kinds", kinds, "--out", tmp_path / "b").error_line
    assert "holds no pictures" in call("simulate", *small, "--art", tmp_path, "--out", tmp_path / "c").error_line
