"""Picture cache: prepared once, resumed after a kill, repaired after damage."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from engine.data import picture_cache as cache_module
from engine.data.picture_cache import PixelCache
from engine.detection.read_and_find import canvas_from_picture, read_and_find
from engine.image.read import read_picture
from engine.image.rectify import card_canvas
from engine.storage.disk_space import DiskFull
from tests.engine.conftest import drawn_card

SIZE = 64


@pytest.fixture
def pictures(tmp_path, cards):
    """Six picture files copied for the test."""
    sources = [side for card in cards[:3] for side in (card.front, card.back)]
    return [shutil.copy(source, tmp_path / source.name) for source in sources]


@pytest.fixture
def prepared_now(monkeypatch):
    """The names of the pictures prepared while the test runs."""
    names = []

    def recording(path, *, size):
        names.append(path.name)
        return canvas_from_picture(path, size=size)

    monkeypatch.setattr(cache_module, "canvas_from_picture", recording)
    return names


def filled(folder, pictures, size=SIZE):
    cache = PixelCache(folder, pictures, size)
    list(cache.fill())
    return cache


@lru_cache
def canvas_of(content):
    """The rectified card of a picture file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "card.png"
        path.write_bytes(content)
        rgb, detection = read_and_find(path)
    return card_canvas(rgb, detection.quad, size=SIZE)


def assert_correct(cache, pictures):
    for path in pictures:
        np.testing.assert_array_equal(cache[path], canvas_of(path.read_bytes()))


def file_with(folder, suffix):
    (path,) = folder.glob(f"*{suffix}")
    return path


def test_every_picture_has_its_rectified_canvas(tmp_path, pictures):
    cache = filled(tmp_path / "c", pictures)
    assert all(path in cache for path in pictures)
    assert_correct(cache, pictures)


def test_a_second_fill_prepares_nothing(tmp_path, pictures, prepared_now):
    filled(tmp_path / "c", pictures)
    assert len(prepared_now) == 6
    prepared_now.clear()
    assert_correct(filled(tmp_path / "c", pictures), pictures)
    assert prepared_now == []


def test_the_fill_reports_progress(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(cache_module, "CHUNK", 4)
    assert list(PixelCache(tmp_path / "c", pictures, SIZE).fill()) == [(4, 6), (6, 6)]


def test_equal_pictures_under_two_names_are_prepared_once(tmp_path, pictures, prepared_now):
    twin = shutil.copy(pictures[0], tmp_path / "twin.png")
    cache = filled(tmp_path / "c", [*pictures, twin])
    assert len(prepared_now) == 6
    np.testing.assert_array_equal(cache[twin], cache[pictures[0]])


def test_moved_pictures_are_not_prepared_again(tmp_path, pictures, prepared_now):
    filled(tmp_path / "c", pictures)
    prepared_now.clear()
    (tmp_path / "moved").mkdir()
    moved = [path.rename(tmp_path / "moved" / path.name) for path in pictures]
    assert_correct(filled(tmp_path / "c", moved), moved)
    assert prepared_now == []


def test_a_fill_killed_between_chunks_is_resumed(tmp_path, pictures, prepared_now, monkeypatch):
    monkeypatch.setattr(cache_module, "CHUNK", 2)
    killed = PixelCache(tmp_path / "c", pictures, SIZE).fill()
    next(killed)
    next(killed)
    killed.close()
    first = list(prepared_now)
    prepared_now.clear()
    assert_correct(filled(tmp_path / "c", pictures), pictures)
    assert sorted(first + prepared_now) == sorted(path.name for path in pictures)
    assert len(prepared_now) == 2


def test_a_fill_killed_within_a_chunk_loses_no_more_than_the_chunk(tmp_path, pictures, prepared_now, monkeypatch):
    monkeypatch.setattr(cache_module, "CHUNK", 3)
    original, calls = cache_module.canvas_from_picture, []

    def dying(path, *, size):
        calls.append(path)
        if len(calls) > 4:
            raise KeyboardInterrupt
        return original(path, size=size)

    with monkeypatch.context() as patched:
        patched.setattr(cache_module, "canvas_from_picture", dying)
        with pytest.raises(KeyboardInterrupt):
            list(PixelCache(tmp_path / "c", pictures, SIZE).fill(threads=1))
    prepared_now.clear()
    assert_correct(filled(tmp_path / "c", pictures), pictures)
    assert len(prepared_now) == 3


def test_a_picture_with_a_flipped_byte_is_prepared_again(tmp_path, pictures, prepared_now):
    filled(tmp_path / "c", pictures)
    prepared_now.clear()
    with file_with(tmp_path / "c", ".u8").open("r+b") as file:
        file.seek(2 * SIZE * SIZE * 3 + 77)
        (byte,) = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
    assert_correct(filled(tmp_path / "c", pictures), pictures)
    assert len(prepared_now) == 1
    prepared_now.clear()
    filled(tmp_path / "c", pictures)
    assert prepared_now == []


@pytest.mark.parametrize("size", [0, 1, 3 * SIZE * SIZE * 3 + 5])
def test_pictures_cut_off_a_truncated_pixel_file_are_prepared_again(tmp_path, pictures, prepared_now, size):
    filled(tmp_path / "c", pictures)
    prepared_now.clear()
    with file_with(tmp_path / "c", ".u8").open("r+b") as file:
        file.truncate(size)
    assert_correct(filled(tmp_path / "c", pictures), pictures)
    assert len(prepared_now) == 6 - size // (SIZE * SIZE * 3)


def test_a_lost_pixel_file_is_recreated(tmp_path, pictures):
    filled(tmp_path / "c", pictures)
    file_with(tmp_path / "c", ".u8").unlink()
    assert_correct(filled(tmp_path / "c", pictures), pictures)


def damaged_journal(kind, journal):
    content = journal.read_bytes()
    lines = [line for line in content.split(b"\n") if line]
    return {
        "torn": content[:-30],
        "half a line in the middle": b"\n".join([*lines[:2], lines[2][:20], *lines[3:]]),
        "a flipped byte in a name": content.replace(json.loads(lines[0])["sha256"][:8].encode(), b"00000000", 1),
        "no text": b"\n".join([b"\xff\xfe\x00", *lines[1:]]),
        "not an object": b"\n".join([b"12", b"[]", b'"x"', b"null", *lines[1:]]),
        "no checksum": b"\n".join([json.dumps({"sha256": json.loads(lines[0])["sha256"]}).encode(), *lines[1:]]),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    ["torn", "half a line in the middle", "a flipped byte in a name", "no text", "not an object", "no checksum"],
)
def test_a_damaged_journal_costs_one_picture_and_is_repaired_by_the_next_fill(tmp_path, pictures, prepared_now, kind):
    filled(tmp_path / "c", pictures)
    prepared_now.clear()
    journal = file_with(tmp_path / "c", ".jsonl")
    journal.write_bytes(damaged_journal(kind, journal))
    assert_correct(filled(tmp_path / "c", pictures), pictures)
    assert len(prepared_now) == 1
    prepared_now.clear()
    assert_correct(filled(tmp_path / "c", pictures), pictures)
    assert prepared_now == []


def test_a_picture_that_cannot_be_used_is_refused_by_name_and_not_tried_again(tmp_path, pictures, prepared_now):
    broken, missing = tmp_path / "broken.png", tmp_path / "gone.png"
    broken.write_bytes(b"no picture")
    for _ in range(2):
        cache = filled(tmp_path / "c", [*pictures, broken, missing])
        assert set(cache.refused) == {broken, missing}
        assert cache.refused[broken].startswith("broken.png: is not a picture")
        assert cache.refused[missing].startswith("gone.png: there is no such file")
        assert broken not in cache
        assert missing not in cache
        assert None not in cache
        assert_correct(cache, pictures)
    assert prepared_now.count("broken.png") == 1


def test_a_refused_picture_is_named_by_its_current_file_name(tmp_path):
    first = tmp_path / "first.png"
    first.write_bytes(b"no picture")
    filled(tmp_path / "c", [first])
    second, twin = first.rename(tmp_path / "second.png"), tmp_path / "twin.png"
    twin.write_bytes(b"no picture")
    refused = filled(tmp_path / "c", [second, twin]).refused
    assert refused[second].startswith("second.png: is not a picture")
    assert refused[twin].startswith("twin.png: is not a picture")


def test_changed_bytes_are_another_picture(tmp_path, pictures, prepared_now):
    filled(tmp_path / "c", pictures)
    prepared_now.clear()
    drawn_card(pictures[0], seed=999)
    cache = filled(tmp_path / "c", pictures)
    assert_correct(cache, pictures)
    assert pictures[0].name in prepared_now


def test_sizes_do_not_share_pixels(tmp_path, pictures):
    small, large = filled(tmp_path / "c", pictures), filled(tmp_path / "c", pictures, size=96)
    assert large[pictures[0]].shape == (96, 96, 3)
    assert_correct(small, pictures)


def test_an_empty_set_of_pictures_is_valid(tmp_path):
    assert filled(tmp_path / "c", []).refused == {}


def test_two_concurrent_fills_give_correct_pixels(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(cache_module, "CHUNK", 1)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: filled(tmp_path / "c", pictures), range(2)))
    for cache in (*both, filled(tmp_path / "c", pictures)):
        assert_correct(cache, pictures)


def test_a_cropped_picture_is_used_whole(tmp_path, pictures):
    cache = PixelCache(tmp_path / "c", pictures, SIZE, cropped=pictures[:1])
    list(cache.fill())
    rgb = read_picture(pictures[0])
    height, width = rgb.shape[:2]
    quad = np.array([(0, 0), (width, 0), (width, height), (0, height)]) - 0.5
    np.testing.assert_array_equal(cache[pictures[0]], card_canvas(rgb, quad, size=SIZE))
    assert_correct(cache, pictures[1:])


def test_a_control_has_a_separate_cache(tmp_path):
    picture = drawn_card(tmp_path / "card.png", 1)
    canvases = {}
    for input_region in ("card", "background", "card"):
        cache = PixelCache(tmp_path / "cache", [picture], 64, input_region=input_region)
        list(cache.fill())
        again = canvases.setdefault(input_region, np.array(cache[picture]))
        np.testing.assert_array_equal(again, cache[picture])
    assert not np.array_equal(canvases["card"], canvases["background"])
    assert len(list((tmp_path / "cache").glob("*.u8"))) == 2


def test_a_file_replaced_while_it_is_read_is_refused_but_not_for_good(tmp_path, pictures, monkeypatch):
    original = pictures[0].read_bytes()

    def replace_while_reading(path, *, size):
        result = canvas_from_picture(path, size=size)
        if path == pictures[0]:
            path.write_bytes(pictures[1].read_bytes())
        return result

    with monkeypatch.context() as patch:
        patch.setattr(cache_module, "canvas_from_picture", replace_while_reading)
        cache = filled(tmp_path / "c", pictures)
    assert cache.refused[pictures[0]].startswith(f"{pictures[0].name}: has changed since it was imported")
    assert_correct(cache, pictures[1:])
    pictures[0].write_bytes(original)
    assert_correct(filled(tmp_path / "c", pictures), pictures)


def test_a_disk_that_fills_up_during_a_fill_keeps_no_space_for_what_was_not_recorded(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(cache_module, "CHUNK", 2)
    append = cache_module.JsonLinesFile.append
    chunks = iter([append, append])

    def append_twice(self, lines):
        chunk = next(chunks, None)
        if chunk is None:
            raise DiskFull("the disk is full: prepared.jsonl could not be written")
        chunk(self, lines)

    with monkeypatch.context() as full, pytest.raises(DiskFull):
        full.setattr(cache_module.JsonLinesFile, "append", append_twice)
        filled(tmp_path / "cache", pictures)
    [file] = (tmp_path / "cache").glob("*.u8")
    assert file.stat().st_size == 4 * SIZE * SIZE * 3
    assert_correct(filled(tmp_path / "cache", pictures), pictures)


def test_chunks_shrink_so_that_a_stop_request_is_answered_within_seconds(monkeypatch):
    """A slow picture takes a second here: after the first part, none takes longer than four seconds."""
    clock = [0.0]
    monkeypatch.setattr(cache_module.time, "monotonic", lambda: clock[0])

    def sizes(count, seconds_each):
        for chunk in cache_module.chunks(range(count), 64):
            clock[0] += seconds_each * len(chunk)
            yield len(chunk)

    slow, fast = list(sizes(40, 1.0)), list(sizes(400, 0.001))
    assert (sum(slow), sum(fast)) == (40, 400)
    assert slow[:2] == [8, 4]
    assert max(slow[2:]) == 2
    assert fast[:4] == [8, 16, 32, 64]
