"""Folders and manifests in their usual layouts are listed; entries that are not cards are named."""

from __future__ import annotations

import inspect
import shutil
import sys
from pathlib import Path

import pytest

from labeling.discover import ImportRefused, cards_at, cards_in_folder, is_picture
from labeling.label_file import with_labels
from labeling.side_names import name_and_side


@pytest.fixture
def files(tmp_path):
    """Write empty files; these tests never open a picture."""

    def write(*names: str) -> Path:
        for name in names:
            path = tmp_path / "cards" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "cards"

    return write


def listed(root: Path) -> dict[str, tuple[str | None, str | None, float | None]]:
    """Name -> (front, back, grade), the paths relative to the root."""

    def short(path: Path | None) -> str | None:
        return path and path.relative_to(root).as_posix()

    return {pair.card_id: (short(pair.front), short(pair.back), pair.grade) for pair in cards_at(root).pairs}


@pytest.mark.parametrize(
    ("file", "name", "side"),
    [
        ("Black_Lotus_Alpha_Front.jpg", "Black_Lotus_Alpha", "front"),
        ("Black_Lotus_Alpha_Back.jpg", "Black_Lotus_Alpha", "back"),
        ("mox-front.png", "mox", "front"),
        ("mox back.png", "mox", "back"),
        ("mox_BACK_2.png", "mox_2", "back"),
        ("front 0001.png", "0001", "front"),
        ("back0001.png", "0001", "back"),
        ("psa4/psa4_477.jpg", "psa4/psa4_477", "front"),
        ("psa4/front.jpg", "psa4", "front"),
        ("back.jpg", "cards", "back"),
        ("quarterback.jpg", "quarterback", "front"),
        ("frontier.jpg", "frontier", "front"),
        ("come back_front.jpg", "come back", "front"),
        ("1952.topps.311_front.jpg", "1952.topps.311", "front"),
    ],
)
def test_a_side_word_is_recognized_in_the_file_name(file, name, side):
    root = Path("/somewhere/cards")
    assert name_and_side(root / file, root) == (name, side)


def test_a_plain_folder_pairs_its_sides(files):
    root = files("Lotus_Front.jpg", "lotus_back.JPG", "mox-back.png", "plain.webp", "notes.txt", ".hidden.jpg")
    assert listed(root) == {
        "Lotus": ("Lotus_Front.jpg", "lotus_back.JPG", None),
        "mox": (None, "mox-back.png", None),
        "plain": ("plain.webp", None, None),
    }


def test_a_picture_without_a_side_word_is_the_front_of_its_namesakes_back(files):
    assert listed(files("a.jpg", "a_back.jpg")) == {"a": ("a.jpg", "a_back.jpg", None)}


def test_in_a_folder_without_side_words_all_are_fronts(files):
    assert listed(files("1.jpg", "2.jpg")) == {"1": ("1.jpg", None, None), "2": ("2.jpg", None, None)}


def test_two_pictures_of_one_side_are_not_guessed_between(files):
    cards = cards_at(files("a_front.jpg", "a_front.png"))
    assert [pair.front.name for pair in cards.pairs] == ["a_front.jpg"]
    [refused] = cards.refused
    assert Path(refused.path).name == "a_front.png"
    assert refused.reason == "card 'a' already has its front, a_front.jpg; rename one of the two"


@pytest.mark.parametrize(
    ("folder", "grade"),
    [("psa9", 9), ("PSA_9", 9), ("psa 9", 9), ("Psa-10", 10), ("9", 9), ("8.5", 8.5), ("psa1.5", 1.5), ("10", 10)],
)
def test_a_grade_folder_is_parsed_in_every_common_spelling(files, folder, grade):
    root = files(f"{folder}/x_front.jpg", f"{folder}/x_back.jpg", f"{folder}/y.jpg")
    assert listed(root) == {
        f"{folder}/x": (f"{folder}/x_front.jpg", f"{folder}/x_back.jpg", grade),
        f"{folder}/y": (f"{folder}/y.jpg", None, grade),
    }


def test_an_invalid_grade_is_refused_and_the_rest_is_listed(files):
    root = files("psa4/a.jpg", "psa11/b.jpg", "9.5/c.jpg", "misc/d.jpg", "loose.jpg", "readme.txt", "psa4/deeper/e.jpg")
    cards = cards_at(root)
    assert [pair.card_id for pair in cards.pairs] == ["psa4/a"]
    reasons = {Path(refused.path).relative_to(root).as_posix(): refused.reason for refused in cards.refused}
    assert reasons == {
        "psa11": "grade '11' is not on the PSA scale; use 1 to 10, or a half grade from 1.5 to 8.5",
        "9.5": "grade '9.5' is not on the PSA scale; use 1 to 10, or a half grade from 1.5 to 8.5",
        "misc": "the folder's name is not a grade; name it psa1 to psa10, or 1 to 10",
        "loose.jpg": "is not in a grade folder; move it into one of them",
        "psa4/deeper": "is a subfolder; move its pictures up",
        "readme.txt": "is not a picture",
    }


def test_skipped_pictures_are_named(files):
    root = files("a.jpg", "b.gif", "box/c.jpg", "empty/readme.txt")
    reasons = {Path(refused.path).name: refused.reason for refused in cards_at(root).refused}
    assert reasons == {
        "b.gif": "cannot be read; use JPEG, PNG, WebP, TIFF, BMP or HEIC",
        "box": "is a subfolder; import that folder separately",
    }


@pytest.mark.parametrize("name", ["labels.csv", "manifest.csv"])
def test_a_manifest_in_the_folder_defines_its_cards(files, name):
    root = files("1.jpg", "2.jpg", "psa4/3.jpg")
    (root / name).write_text("card_id,front,back,grade\na,1.jpg,2.jpg,8.5\n")
    assert listed(root) == {"a": ("1.jpg", "2.jpg", 8.5)}


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "there is no such file or folder"),
        (lambda path: path.mkdir(), "holds no cards"),
        (lambda path: path.write_text("hello"), "neither a folder nor a CSV manifest"),
    ],
)
def test_a_path_that_cannot_be_imported_is_refused_as_a_whole(tmp_path, make, reason):
    path = tmp_path / "cards"
    make(path)
    with pytest.raises(ImportRefused, match=f"^{path}: .*{reason}.*;"):
        cards_at(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"card_id,front,back,grade\n", "holds no cards"),
        (b"name,picture\n1,2\n", "column 'card_id' is missing"),
        (b"\xff\xfe\x00", "is not a CSV file in UTF-8"),
        (b"", "column 'card_id' is missing"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_refused_as_a_whole(tmp_path, content, reason):
    path = tmp_path / "cards.csv"
    path.write_bytes(content)
    with pytest.raises(ImportRefused, match=reason):
        cards_at(path)


def test_a_label_file_given_as_a_manifest_is_reported_as_a_label_file(files):
    root = files("a.jpg")
    (root / "labels.csv").write_text("card_id,grade\na,9\n")
    with pytest.raises(ImportRefused, match=r"column 'front' is missing; .*; .* pass it as --labels$"):
        cards_at(root)


def test_a_label_file_grades_the_cards_it_names_and_no_others(files, tmp_path):
    root = files("a_front.jpg", "a_back.jpg", "b.jpg", "c.jpg", "d.jpg")
    labels = tmp_path / "grades.csv"
    labels.write_text("card_id,grade,qualifier\nA,9,oc\nb,11,\nnobody,7,\na,8,\nc,,N1\n")
    cards = with_labels(cards_in_folder(root), labels)
    assert {pair.card_id: (pair.grade, pair.qualifier) for pair in cards.pairs} == {
        "a": (9, "OC"),
        "b": (None, None),
        "c": (None, "N1"),
        "d": (None, None),
    }
    assert [refused.path for refused in cards.refused] == ["grades.csv:3", "grades.csv:4", "grades.csv:5"]
    assert [refused.reason.split(";")[0] for refused in cards.refused] == [
        "grade '11' is not on the PSA scale",
        "no picture belongs to card 'nobody'",
        "card 'a' is listed twice",
    ]


def test_a_label_file_outranks_the_grade_of_a_folder(files, tmp_path):
    root = files("psa8/a.jpg", "psa8/b.jpg")
    labels = tmp_path / "grades.csv"
    labels.write_text("card_id,grade\npsa8/a,9\n")
    assert [pair.grade for pair in with_labels(cards_in_folder(root), labels).pairs] == [9, 8]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "cannot be read"), (b"card_id,front\n", "column 'grade' is missing"), (b"\xff\xfe\0", "not a CSV file")],
)
def test_a_label_file_that_cannot_be_read_is_refused_as_a_whole(files, tmp_path, content, reason):
    labels = tmp_path / "grades.csv"
    if content is not None:
        labels.write_bytes(content)
    with pytest.raises(ImportRefused, match=reason):
        with_labels(cards_in_folder(files("a.jpg")), labels)


def test_a_picture_under_more_folders_than_python_calls_is_named(picture, tmp_path, monkeypatch):
    picture("in/a.png")
    monkeypatch.chdir(tmp_path / "in")
    (tmp_path / "in" / "manifest.csv").write_text("card_id,front\na,a.png\n", encoding="utf-8")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 150)
    try:
        for depth in range(1, 301):
            Path("d/" * depth).mkdir()
        shutil.copy("a.png", "d/" * 300 + "b.png")
        assert [Path(refused.path).name for refused in cards_at(tmp_path / "in").refused] == ["b.png"]
    finally:
        sys.setrecursionlimit(limit)


def test_a_file_without_a_size_is_not_opened_to_see_whether_it_is_a_picture(tmp_path, monkeypatch):
    (tmp_path / "kmsg").touch()  # as in /proc, where reading one may wait for ever
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("was opened"))
    assert not is_picture(tmp_path / "kmsg")
