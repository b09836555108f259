"""A thousand mutated files: each gives a result or one line, in bounded time and memory, and leaves nothing behind."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from engine import config
from engine.cards.pairs import CardPair
from engine.experiments import run_folder
from tests import commands
from tests.card_factory import card_picture, write_cards
from tests.fuzzing import MAX_BYTES, CommandProcess, Outcome, mutated

pytestmark = [pytest.mark.long, pytest.mark.slow]
PICTURES, MANIFESTS, SETTINGS, MODELS, DATABASES = 500, 200, 100, 80, 120
EXIT_CODES = {0, 2, 3}
# One sentence, after the names of the cards that were left out before it.
REFUSAL = re.compile(r"(.+: left out: .+\n)*loupe: .+\n")


@pytest.fixture
def process(tmp_path: Path) -> Iterator[CommandProcess]:
    """A process for the commands; at the end its memory is checked, and that its temporary folder is empty."""
    process = CommandProcess(tmp_path / "temporary")
    yield process
    process.close()
    assert process.peak_bytes < MAX_BYTES
    assert [path for path in process.temporary.rglob("*") if not is_of_torch(path)] == []


def is_of_torch(path: Path) -> bool:
    """True for the folder that torch makes for compiled code on import, one for all processes of a user, and empty."""
    return path.is_dir() and path.name.startswith("torchinductor_")


def fault_of(outcome: Outcome) -> str:
    """Fault of an answer to a mutated file; empty if there is none."""
    result = outcome.result
    if result is None:
        return outcome.fault
    if result.exit_code not in EXIT_CODES:
        return f"exit code {result.exit_code}: {result.err}"
    if result.exit_code == 2 and not result.out and REFUSAL.fullmatch(result.err) is None:
        return f"not one line: {result.err!r}"
    return "" if "Traceback" not in result.err else result.err


def check(count: int, run: Callable[[int], Outcome]) -> None:
    """Run `count` numbered cases; fails with the faults of all."""
    faults = {number: fault for number in range(count) if (fault := fault_of(run(number)))}
    assert not faults, f"{len(faults)} of {count}: " + "\n\n".join(f"{n}: {fault}" for n, fault in faults.items())


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def picture_files() -> list[bytes]:
    """One card in every format and variant that is read, with metadata where the format has some."""
    pillow_heif.register_heif_opener()
    color = Image.fromarray(card_picture(8, 1, "front"))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    metadata = {"exif": exif, "icc_profile": profile}
    deep = Image.fromarray(np.asarray(color.convert("L")).astype(np.uint16) * 257)
    gray, ink, palette, clear = (color.convert(mode) for mode in ("L", "CMYK", "P", "RGBA"))
    return [
        encoded(color, "JPEG", **metadata),
        encoded(color, "JPEG", progressive=True, **metadata),
        encoded(color, "JPEG", restart_marker_rows=2),
        encoded(gray, "JPEG"),
        encoded(ink, "JPEG"),
        encoded(color, "PNG", **metadata),
        encoded(palette, "PNG", transparency=0),
        encoded(clear, "PNG"),
        encoded(deep, "PNG"),
        encoded(color, "WEBP", **metadata),
        encoded(color, "WEBP", lossless=True),
        encoded(color, "TIFF", **metadata),
        encoded(color, "TIFF", compression="tiff_lzw"),
        encoded(color, "TIFF", compression="tiff_deflate"),
        encoded(color, "TIFF", compression="jpeg"),
        encoded(color, "TIFF", save_all=True, append_images=[color]),
        encoded(color, "BMP"),
        encoded(color, "HEIF", **metadata),
    ]


def test_mutated_pictures_are_graded_or_refused_and_imports_name_each(process: CommandProcess, tmp_path: Path) -> None:
    sources, folder, data = picture_files(), tmp_path / "pictures", tmp_path / "data"
    folder.mkdir()
    good = tmp_path / "good.png"
    Image.fromarray(card_picture(8, 1, "front")).save(good)
    process.warm_up("grade", good, "--data", data)

    def grade(number: int) -> Outcome:
        path = folder / f"card {number}.jpg"
        path.write_bytes(mutated(sources[number % len(sources)], seed=number))
        return process("grade", path, "--data", data)

    check(PICTURES, grade)
    for start in range(0, PICTURES, 25):
        part = tmp_path / f"part {start}"
        part.mkdir()
        for number in range(start, start + 25):
            (folder / f"card {number}.jpg").rename(part / f"card {number}.jpg")
        outcome = process("import", part, "--data", data)
        assert outcome.result is not None, outcome.fault
        imported = outcome.result.result
        assert imported["added"] + imported["known"] + len(imported["refused"]) == 25


def test_mutated_manifests_are_read_or_refused(process: CommandProcess, tmp_path: Path) -> None:
    manifest = write_cards(tmp_path / "cards", [9, 8.5, None, 7])
    whole = manifest.read_text(encoding="utf-8")
    sources = [
        whole.encode(),
        whole.encode("utf-8-sig"),
        whole.encode("utf-16"),
        whole.replace(",", ";").encode(),
        b"sep=,\n" + whole.encode(),
    ]
    process.warm_up("import", manifest, "--data", tmp_path / "data")

    def import_cards(number: int) -> Outcome:
        path = manifest.with_name(f"mutated {number}.csv")
        path.write_bytes(mutated(sources[number % len(sources)], seed=number))
        words = ("grade", "--batch", path) if number % 10 == 0 else ("import", path)
        return process(*words, "--data", tmp_path / "data")

    check(MANIFESTS, import_cards)


def test_mutated_settings_of_a_run_are_read_or_refused(process: CommandProcess, tmp_path: Path) -> None:
    # Without pictures, a run whose files are still readable ends before it trains.
    missing = [CardPair(f"card {n}", tmp_path / f"{n}.png", None, float(1 + n)) for n in range(6)]
    run_folder.save(tmp_path / "run", config.build({"image_size": 64, "device": "cpu"}), missing)
    names = (run_folder.CONFIG, run_folder.PAIRS)

    def resume(number: int) -> Outcome:
        folder = shutil.copytree(tmp_path / "run", tmp_path / f"run {number}")
        path = folder / names[number % len(names)]
        path.write_bytes(mutated(path.read_bytes(), seed=number))
        return process("train", "--resume", folder, "--data", tmp_path / "data")

    first = process("train", "--resume", tmp_path / "run", "--data", tmp_path / "data")
    assert first.result is not None and first.result.exit_code == 2, first
    check(SETTINGS, resume)


def test_mutated_models_are_refused_or_grade(process: CommandProcess, model: Path, tmp_path: Path) -> None:
    small = tmp_path / "model.pt"
    data = tmp_path / "data"
    exported = commands.call("export", "model", "--model", model, "--bits", "8", "--out", small, "--data", data)
    assert exported.exit_code == 0, exported
    whole = small.read_bytes()
    good = tmp_path / "good.png"
    Image.fromarray(card_picture(8, 1, "front")).save(good)
    process.warm_up("grade", good, "--model", small, "--data", data)

    def grade(number: int) -> Outcome:
        path = tmp_path / f"mutated {number}.pt"
        # A file of weights is mostly weights: half of the changes go to the names and sizes at its end.
        head, tail = (whole, b"") if number % 2 else (whole[:-20_000], whole[-20_000:])
        path.write_bytes(mutated(head, seed=number) if number % 2 else head + mutated(tail, seed=number))
        try:
            return process("grade", good, "--model", path, "--data", data)
        finally:
            path.unlink()

    check(MODELS, grade)


def test_mutated_databases_are_opened_or_refused(process: CommandProcess, tmp_path: Path) -> None:
    data = tmp_path / "data"
    manifest = write_cards(tmp_path / "cards", [9, 8, 7, 6])
    process.warm_up("import", manifest, "--data", data)
    process.warm_up("export", "labels", "--out", tmp_path / "labels.csv", "--data", data)
    whole = (data / "loupe.db").read_bytes()

    def use(number: int) -> Outcome:
        folder = tmp_path / f"data {number}"
        folder.mkdir()
        (folder / "loupe.db").write_bytes(mutated(whole, seed=number))
        words = (("export", "labels", "--out", folder / "labels.csv"), ("import", manifest), ("export", "history"))
        outcome = process(*words[number % len(words)], "--data", folder)
        shutil.rmtree(folder)
        return outcome

    check(DATABASES, use)
