"""A recorded picture's file is used only while it holds that picture; a moved file is found again by its content."""

import hashlib
import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import engine.image.content_hash
import labeling.picture_files
from db.cards import all_cards, update_files
from engine.image.content_hash import SETTLED_S, file_version
from labeling.import_cards import import_cards
from labeling.picture_files import locate_pictures, lost_pictures
from tests.db.row_factory import all_pictures


@pytest.fixture
def imported(database, picture, tmp_path):
    """Four cards in two grade folders."""
    for seed, name in enumerate(["psa9/a", "psa9/b", "psa2/c", "psa2/d"]):
        picture(f"in/{name}.png", seed=seed, size=(60, 84 + seed))
    assert import_cards(database, tmp_path / "in").added == 4
    return database


def located(database) -> dict[str, object]:
    """Card name -> its file, or the reason why there is none."""
    with database.reading() as session:
        cards = all_cards(session)
    locations = locate_pictures(database, (card.front for card in cards))
    return {card.name: locations[card.front.id].reason or locations[card.front.id].path for card in cards}


def recorded_paths(database) -> dict[str, Path]:
    with database.reading() as session:
        return {card.name: Path(card.front.path) for card in all_cards(session)}


def test_untouched_files_are_where_they_were_recorded(imported, tmp_path):
    assert located(imported) == {
        name: tmp_path / "in" / f"{name}.png" for name in ("psa9/a", "psa9/b", "psa2/c", "psa2/d")
    }


def test_a_changed_and_a_missing_file_have_a_reason_and_the_others_are_found(imported, picture, tmp_path):
    picture("in/psa9/a.png", seed=77)
    (tmp_path / "in/psa2/c.png").unlink()
    files = located(imported)
    assert files["psa9/a"].startswith(f"the picture {tmp_path / 'in/psa9/a.png'} has changed since it was imported;")
    assert files["psa2/c"].startswith(f"the picture {tmp_path / 'in/psa2/c.png'} is missing;")
    assert (files["psa9/b"], files["psa2/d"]) == (tmp_path / "in/psa9/b.png", tmp_path / "in/psa2/d.png")


def test_equal_size_and_time_do_not_hide_a_change(imported, tmp_path):
    path = tmp_path / "in/psa9/a.png"
    status, content = path.stat(), bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "has changed" in located(imported)["psa9/a"]


def test_two_exchanged_files_are_each_found_under_the_other_s_name(imported, tmp_path):
    first, second = tmp_path / "in/psa9/a.png", tmp_path / "in/psa2/c.png"
    first.rename(tmp_path / "aside")
    second.rename(first)
    (tmp_path / "aside").rename(second)
    assert {name: located(imported)[name] for name in ("psa9/a", "psa2/c")} == {"psa9/a": second, "psa2/c": first}
    assert recorded_paths(imported)["psa9/a"] == second, "the new path is recorded"


@pytest.mark.parametrize("target", ["psa9/renamed.png", "psa2/moved.png", "psa7/other.png", "psa9/done/a.png", "a.png"])
@pytest.mark.parametrize("size_known", [True, False])
def test_a_moved_file_is_found_in_the_imported_folders(imported, tmp_path, target, size_known):
    if not size_known:  # as in a database of an earlier version
        with imported.writing() as session:
            paths = {picture.id: (picture.path, None, None) for picture in all_pictures(session)}
            update_files(session, files=paths)
    new = tmp_path / "in" / target
    new.parent.mkdir(exist_ok=True)
    (tmp_path / "in/psa9/a.png").rename(new)
    assert located(imported)["psa9/a"] == new
    assert recorded_paths(imported)["psa9/a"] == new
    assert {name for name, file in located(imported).items() if not isinstance(file, Path)} == set()
    with imported.reading() as session:
        assert {picture.size_bytes for picture in all_pictures(session)} == {
            path.stat().st_size for path in (tmp_path / "in").rglob("*.png")
        }


def test_a_replaced_file_whose_original_lies_beside_it_is_found(imported, picture, tmp_path):
    path = tmp_path / "in/psa9/a.png"
    shutil.copy(path, tmp_path / "in/psa9/backup of a.png")
    picture("in/psa9/a.png", seed=77)
    assert located(imported)["psa9/a"] == tmp_path / "in/psa9/backup of a.png"


def test_only_files_of_the_right_size_are_read_in_the_search(imported, picture, tmp_path, monkeypatch):
    for seed in range(10, 14):
        picture(f"in/psa9/more {seed}.png", seed=seed, size=(100, 140))
    (tmp_path / "in/psa9/a.png").rename(tmp_path / "in/psa9/z.png")
    read = []
    original = labeling.picture_files._read
    monkeypatch.setattr(labeling.picture_files, "_read", lambda path: read.append(path.name) or original(path))
    assert located(imported)["psa9/a"] == tmp_path / "in/psa9/z.png"
    assert not [name for name in read if name.startswith("more")]


def test_a_pipe_in_place_of_a_picture_blocks_nothing(imported, tmp_path):
    (tmp_path / "in/psa9/a.png").unlink()
    os.mkfifo(tmp_path / "in/psa9/a.png")
    assert "is a pipe or a device" in located(imported)["psa9/a"]


def test_importing_the_original_again_elsewhere_repairs_a_replaced_file(imported, picture, tmp_path):
    original = (tmp_path / "in/psa9/a.png").read_bytes()
    picture("in/psa9/a.png", seed=77)
    (tmp_path / "again").mkdir()
    (tmp_path / "again/a.png").write_bytes(original)
    assert import_cards(imported, tmp_path / "again").known == 1
    file = located(imported)["psa9/a"]
    assert file == tmp_path / "again/a.png"
    assert hashlib.sha256(file.read_bytes()).digest() == hashlib.sha256(original).digest()


def test_a_file_that_was_moved_to_a_name_that_cannot_be_stored_is_missing(imported, tmp_path):
    path = recorded_paths(imported)["psa9/a"]
    path.rename(os.fsdecode(os.fsencode(path.parent) + b"/\xff.png"))
    assert "is missing" in str(located(imported)["psa9/a"])


def pictures_of(database):
    with database.reading() as session:
        return all_pictures(session)


def settle(folder: Path) -> None:
    """Wait until the files' times are safely in the past."""
    newest = max(max(path.stat().st_mtime, path.stat().st_ctime) for path in folder.rglob("*.png"))
    time.sleep(max(0.0, newest + SETTLED_S + 0.05 - time.time()))


def test_a_file_that_changed_after_the_clock_was_set_back_is_noticed(imported, tmp_path):
    """Recorded at a later time than the change, of the same size: as after a clock that ran ahead."""
    with imported.writing() as session:
        for picture in all_pictures(session):
            picture.created_at = datetime.now(UTC) + timedelta(days=1)
    assert lost_pictures(imported, pictures_of(imported)) == set()
    path = tmp_path / "in/psa9/a.png"
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    (changed,) = (picture.id for picture in pictures_of(imported) if picture.path == str(path))
    assert lost_pictures(imported, pictures_of(imported)) == {changed}


def test_unchanged_files_are_read_once_and_not_again_by_a_later_process(imported, tmp_path, monkeypatch):
    """Imported just after they were written, their version is not recorded until they have been read once more."""
    monkeypatch.setattr(engine.image.content_hash, "SETTLED_S", 0.0)
    read: list[Path] = []
    content_hash = labeling.picture_files.content_hash

    def count(path):
        read.append(path)
        return content_hash(path)

    monkeypatch.setattr(labeling.picture_files, "content_hash", count)
    numbers = []
    for _ in range(3):
        labeling.picture_files._remembered_file.cache_clear()  # as in a process of its own
        assert lost_pictures(imported, pictures_of(imported)) == set()
        numbers.append(len(read))
    assert numbers == [4, 4, 4]
    path = tmp_path / "in/psa9/a.png"
    path.touch()
    assert lost_pictures(imported, pictures_of(imported)) == set() and len(read) == 5, "touched: read again"


def test_the_version_of_a_file_that_was_just_changed_is_not_trusted(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"a")
    assert file_version(path) is None and file_version(tmp_path / "none") is None
    settle(tmp_path)
    first = file_version(path)
    assert first is not None and file_version(path) == first
    os.utime(path, ns=(0, 10**18))
    settle(tmp_path)
    assert file_version(path) not in (None, first)
    os.utime(path, (time.time() + 3600, time.time() + 3600))
    assert file_version(path) is None, "written by a clock that was set back since"
