"""Manifests and snapshots are read back as written, and a bad row gives one clear line."""

import csv
import json
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cards.grades import HALF_GRADES, NO_GRADES, QUALIFIERS, NoTarget
from engine.cards.pairs import BadManifest, CardPair, read_manifest, read_snapshot, write_manifest, write_snapshot

# Everything a person may type, including line and paragraph separators, quotes and commas; without the zero byte, which
# no path may contain, and unpaired surrogates, which are no valid text.
characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
text = st.text(characters, max_size=12)
trimmed = text.map(str.strip)
name = st.text(characters.filter(lambda c: c != "/"), min_size=1, max_size=12).map(str.strip).filter(bool)
picture = name.filter(lambda n: n not in (".", "..")).map(lambda n: Path("/cards") / n)
grade = st.none() | st.sampled_from([*range(1, 11), *HALF_GRADES]).map(float)


def pairs_of(words):
    def pair(card_id, front, back, **fields):
        other = Path("/cards/another picture.png")  # longer than the names below
        return CardPair(card_id, front, other if front == back else back, **fields)

    return st.builds(
        pair,
        card_id=name,
        front=st.none() | picture,
        back=st.none() | picture,
        grade=grade,
        group=words,
        split=st.none() | st.sampled_from(["train", "val", "test"]),
        cert=words,
        game=words,
        qualifier=st.none() | st.sampled_from([*QUALIFIERS, *NO_GRADES]),
        notes=words,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pairs")


@given(pairs=st.lists(pairs_of(trimmed), max_size=5, unique_by=lambda pair: normalize("NFC", pair.card_id)))
def test_a_manifest_is_read_back_as_written(folder, pairs):
    write_manifest(folder / "m.csv", pairs)
    manifest = read_manifest(folder / "m.csv")
    assert manifest.refused == []
    assert manifest.pairs == pairs


@given(pairs=st.lists(pairs_of(text), max_size=5))
def test_a_snapshot_is_read_back_as_written(folder, pairs):
    write_snapshot(folder / "s.jsonl", pairs)
    assert read_snapshot(folder / "s.jsonl") == pairs


def test_a_snapshot_has_one_json_line_per_card(tmp_path):
    write_snapshot(tmp_path / "s.jsonl", [CardPair("a", Path("/x/a.png"), None, 8.5), CardPair("b", None, Path("/b"))])
    lines = [json.loads(line) for line in (tmp_path / "s.jsonl").read_bytes().split(b"\n")[:-1]]
    assert [(line["card_id"], line["front"], line["back"], line["grade"]) for line in lines] == [
        ("a", "/x/a.png", "", "8.5"),
        ("b", "", "/b", ""),
    ]


def manifest_of(folder, *rows, columns=("card_id", "front", "back", "grade", "split", "qualifier")):
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return read_manifest(folder / "labels.csv")


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (["x", "f.png", "", "11"], "grade '11' is not on the PSA scale; use 1 to 10, or a half grade from 1.5 to 8.5"),
        (["x", "f.png", "", "9.5"], "grade '9.5' is not on the PSA scale"),
        (["", "f.png", "", "9"], "card_id is empty; give every card an id"),
        (["x", "", "", "9"], "card 'x' has neither front nor back; give at least one picture"),
        (["good", "f.png", "", "9"], "card_id 'good' occurs twice; give every card its own"),
        (["x", "f.png", "", "9", "middle"], "split 'middle' is not known; use train, val, test, or leave it empty"),
        (["x", "f.png", "", "9", "", "ZZ"], "qualifier 'ZZ' is not known; use one of"),
        (["x", "f.png", "./f.png", "9"], "card 'x' has the same picture as front and back; give the other side"),
        (["x"], "card 'x' has neither front nor back"),
        (["x", "~nobody-of-this-name/f.png"], "'~nobody-of-this-name/f.png' names the home of an unknown user"),
        (["x", "f\0.png"], "the path 'f\\x00.png' holds a zero byte"),
    ],
)
def test_a_bad_row_is_refused_in_one_line_with_its_line_number(tmp_path, row, complaint):
    manifest = manifest_of(tmp_path, ["good", "g.png", "", "9"], row, ["last", "l.png", "", "8"])
    assert [pair.card_id for pair in manifest.pairs] == ["good", "last"]
    (refused,) = manifest.refused
    assert refused.path == "labels.csv:3"
    assert refused.reason.startswith(complaint)
    assert "\n" not in refused.reason


def test_one_picture_under_two_names_is_refused_as_both_sides_and_pictures_of_one_size_are_not(tmp_path):
    for name, content in {
        "f.png": b"one",
        "copy.png": b"one",
        "b.png": b"two",
        "none.png": b"",
        "empty.png": b"",
    }.items():
        (tmp_path / name).write_bytes(content)
    sides = {"same": "copy.png", "other": "b.png", "absent": "gone.png"}
    rows = [[card_id, "f.png", back, "9"] for card_id, back in sides.items()]
    manifest = manifest_of(tmp_path, *rows, ["empty", "none.png", "empty.png", "9"])
    assert [pair.card_id for pair in manifest.pairs] == ["other", "absent", "empty"]
    [refused] = manifest.refused
    assert refused.reason == "card 'same' has the same picture as front and back; give the other side"


def test_progress_counts_the_rows_of_a_table(tmp_path):
    (tmp_path / "m.csv").write_text("card_id,front\na,a.png\nb,b.png\n")
    calls = []
    read_manifest(tmp_path / "m.csv", progress=lambda done, total: calls.append((done, total)))
    assert calls == [(0, 2), (1, 2)]


def test_relative_paths_are_resolved_against_the_manifest_and_absolute_ones_kept(tmp_path):
    (pair,) = manifest_of(tmp_path, ["x", "in/f.png", "/elsewhere/b.png", "9"]).pairs
    assert (pair.front, pair.back) == (tmp_path / "in/f.png", Path("/elsewhere/b.png"))


def test_relative_paths_are_written_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "away").mkdir()
    pair = CardPair("x", Path("f.png"), None)
    write_manifest(tmp_path / "away/m.csv", [pair])
    write_snapshot(tmp_path / "away/s.jsonl", [pair])
    assert read_manifest(tmp_path / "away/m.csv").pairs[0].front == tmp_path / "f.png"
    assert read_snapshot(tmp_path / "away/s.jsonl")[0].front == tmp_path / "f.png"


def test_a_manifest_saved_by_excel_is_read(tmp_path):
    (tmp_path / "m.csv").write_bytes("\ufeffcard_id,front,grade\r\nx,f.png,9\r\n\r\n".encode())
    assert [(pair.card_id, pair.grade) for pair in read_manifest(tmp_path / "m.csv").pairs] == [("x", 9)]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"card_id,back\nx,b.png\n", "the column 'front' is missing; the first line must name card_id, front"),
        (b"", "the column 'card_id' is missing"),
        (b"card_id,front\nx,\xff\xfe.png\n", "is not a CSV file in UTF-8; save it as CSV (UTF-8)"),
        (None, "cannot be read (No such file or directory); check the path"),
    ],
)
def test_a_file_that_is_no_manifest_is_refused_with_one_message(tmp_path, content, complaint):
    if content is not None:
        (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(BadManifest) as refusal:
        read_manifest(tmp_path / "m.csv")
    assert str(refusal.value).startswith(f"{tmp_path / 'm.csv'}: {complaint}")


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b"5", b'{"card_id": "x"}', b'{"card_id": "x", "front": "", "back": ""}', b"\xff", None]
)
def test_a_broken_snapshot_is_refused_with_one_message(tmp_path, line):
    if line is not None:
        (tmp_path / "s.jsonl").write_bytes(line + b"\n")
    with pytest.raises(BadManifest, match=r"s\.jsonl: is not a readable snapshot \(.*\); freeze the labels again"):
        read_snapshot(tmp_path / "s.jsonl")


def test_a_snapshot_cut_short_is_refused(tmp_path):
    write_snapshot(tmp_path / "s.jsonl", [CardPair(name, Path("/f.png"), None) for name in ("a", "b")])
    (tmp_path / "s.jsonl").write_bytes((tmp_path / "s.jsonl").read_bytes()[:-9])
    with pytest.raises(BadManifest, match="is not a readable snapshot"):
        read_snapshot(tmp_path / "s.jsonl")


def test_a_card_without_a_group_is_its_own_group():
    assert CardPair("x", Path("f"), None).group_key == "x"
    assert CardPair("x", Path("f"), None, group="g").group_key == "g"


def test_a_pair_s_target_follows_grade_and_qualifier():
    assert CardPair("x", Path("f"), None, 9).target() == 9
    assert isinstance(CardPair("x", Path("f"), None, 9, qualifier="OC").target(), NoTarget)
