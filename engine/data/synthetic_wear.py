"""Synthetic wear: worn copies of high-grade training cards, for the grades with too few cards.

A copy has the pictures of its source with rendered wear. It is in the training split and in its source's group, never
in validation, test or a count of labels.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from engine.cards.grades import NoTarget
from engine.cards.pairs import CardPair
from engine.config import Config
from engine.detection.read_and_find import read_and_find
from engine.events import Notice, Progress
from engine.image.content_hash import check_content
from engine.image.read import BadPicture
from engine.image.rectify import card_size, rectify_card, upright_quad
from engine.simulate.worn_copies import MIN_HEIGHT_PX, make_worn_copy
from engine.storage.atomic import write_bytes

# Cards of these grades show almost no wear.
SOURCE_GRADES = (9, 10)
# Grades to synthesize; a 9 differs from a 10 by less than the wear a picture of a 10 may show.
WORN_GRADES = range(1, 9)
MAX_PX_PER_MM = 12.0
JPEG_QUALITY = 95
PROGRESS_INTERVAL = 8


def synthesize_worn_cards(
    cards: Sequence[CardPair], config: Config, folder: Path, stop: Callable[[], bool]
) -> Generator[Progress | Notice, None, list[CardPair]]:
    """Synthesize worn cards for the training grades with fewer than `config.synthetic_wear_per_grade` cards; 0: none.

    cards    cards of the run; only training cards of grades 9 and 10 are used as sources
    folder   folder of the copies' pictures; existing ones are reused
    stop     called before every copy; True returns the copies made so far
    returns  the copies, marked `synthetic`, in the training split

    The seed determines the source of each copy and its wear.
    """
    training = [(card, card.target()) for card in cards if card.split == "train"]
    counts = Counter(grade for _, grade in training if not isinstance(grade, NoTarget))
    sources = [card for card, grade in training if grade in SOURCE_GRADES]
    missing = [(grade, n) for grade in WORN_GRADES for n in range(config.synthetic_wear_per_grade - counts[grade])]
    if not missing:
        return []
    if not sources:
        yield Notice("no worn copies can be made: the training split has no card of grade 9 or 10")
        return []
    folder.mkdir(parents=True, exist_ok=True)
    copies: list[CardPair] = []
    for done, (grade, number) in enumerate(missing):
        if done % PROGRESS_INTERVAL == 0:
            yield Progress("worn copies", 0, done, len(missing))
        if stop():
            return copies
        random = np.random.default_rng((config.seed, grade, number))
        source = sources[random.integers(len(sources))]
        copy = _copy(source, grade, random, folder, f"{config.seed}-{number}")
        if copy is not None:
            copies.append(copy)
    yield Notice(_summary(copies, len(missing)))
    return copies


def _summary(copies: list[CardPair], requested: int) -> str:
    counts = Counter(int(card.grade or 0) for card in copies)
    by_grade = ", ".join(f"{count} of grade {grade}" for grade, count in sorted(counts.items()))
    failed = f"; {requested - len(copies)} could not be made: their pictures are unusable or too small"
    return f"{len(copies)} worn copies for training: {by_grade or 'none'}{failed if len(copies) < requested else ''}"


def _copy(source: CardPair, grade: int, random: np.random.Generator, folder: Path, key: str) -> CardPair | None:
    """Make one copy with its pictures on disk; None if the source's pictures are unusable."""
    # With the recorded hashes: a card whose picture was replaced gets new copies.
    identity = " ".join(filter(None, (source.card_id, source.front_sha256, source.back_sha256)))
    name = f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}-worn-{grade}-{key}"
    files = [
        folder / f"{name}-{side}.jpg" if path else None for side, path in (("f", source.front), ("b", source.back))
    ]
    card = replace(
        source, card_id=f"{source.card_id} worn to {grade} ({key})", front=files[0], back=files[1], grade=float(grade)
    )
    card = replace(card, group=source.group_key, cert="", qualifier=None, synthetic=True)
    card = replace(card, front_sha256="", back_sha256="")
    if all(file.exists() for file in files if file):
        return card
    try:
        for path, sha256 in source.sides:
            check_content(path, sha256)
        sides = [_rectified(path) if path else None for path in (source.front, source.back)]
    except BadPicture:  # the run reports the reason for the source itself
        return None
    if any(side is not None and side.shape[0] < MIN_HEIGHT_PX for side in sides):
        return None
    worn = make_worn_copy(sides[0], sides[1], grade, random)
    for file, picture in zip(files, (worn.front, worn.back), strict=True):
        if file is not None and picture is not None:
            _write(file, picture)
    return card


def _rectified(path: Path) -> np.ndarray:
    rgb, detection = read_and_find(path)
    quad = upright_quad(detection.quad, rgb.shape[:2])
    return rectify_card(rgb, quad, card_size(quad, picture_size=rgb.shape[:2]), max_px_per_mm=MAX_PX_PER_MM)


def _write(file: Path, rgb: np.ndarray) -> None:
    """Write atomically: a killed run leaves no partial picture, which the next run would reuse."""
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    write_bytes(file, jpeg.tobytes())
