"""Worn copies: extra training cards for the grades that have too few, made from the user's own high grades.

A copy is its source's pictures with wear laid over them. It stands in the training split and in its source's group,
and nowhere else: no validation, no test, no count of labels ever sees one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from engine.cards.grades import LeftOut
from engine.cards.pairs import CardPair
from engine.config import Config
from engine.detection.read_and_find import read_and_find
from engine.events import Notice, Progress
from engine.image.read import BadPicture
from engine.image.rectify import card_size, whole_card
from engine.simulate.worn_copies import LEAST_HEIGHT_PX, worn_copy
from engine.storage.atomic import aside

# Cards of these grades show next to no wear of their own.
SOURCE_GRADES = (9, 10)
# Wear makes these; a 9 differs from a 10 by less than a picture of a 10 is sure to show.
WORN_GRADES = range(1, 9)
MOST_PX_PER_MM = 12.0
JPEG_QUALITY = 95
SAID_EVERY = 8


def worn_cards(
    cards: Sequence[CardPair], config: Config, folder: Path, stop: Callable[[], bool]
) -> Generator[Progress | Notice, None, list[CardPair]]:
    """Fill up the grades of the training split that have fewer cards than `config.worn_up_to`; 0 makes none.

    cards    those of the run; only training cards of grades 9 and 10 are worn down
    folder   where the copies' pictures lie; those already there are not made again
    stop     asked before every copy; when it says yes, what is there is returned
    returns  the copies, marked `synthetic`, in the training split

    The seed decides which card becomes which copy, and its wear.
    """
    training = [(card, card.target()) for card in cards if card.split == "train"]
    counts = Counter(grade for _, grade in training if not isinstance(grade, LeftOut))
    sources = [card for card, grade in training if grade in SOURCE_GRADES]
    wanted = [(grade, n) for grade in WORN_GRADES for n in range(config.worn_up_to - counts[grade])]
    if not wanted:
        return []
    if not sources:
        yield Notice("no worn copies can be made: the training split has no card of grade 9 or 10")
        return []
    folder.mkdir(parents=True, exist_ok=True)
    made: list[CardPair] = []
    for done, (grade, number) in enumerate(wanted):
        if done % SAID_EVERY == 0:
            yield Progress("worn copies", 0, done, len(wanted))
        if stop():
            return made
        random = np.random.default_rng((config.seed, grade, number))
        source = sources[random.integers(len(sources))]
        copy = _copy(source, grade, random, folder, f"{config.seed}-{number}")
        if copy is not None:
            made.append(copy)
    yield Notice(_told(made, len(wanted)))
    return made


def _told(made: list[CardPair], wanted: int) -> str:
    counts = Counter(int(card.grade or 0) for card in made)
    each = ", ".join(f"{count} of grade {grade}" for grade, count in sorted(counts.items()))
    missing = f"; {wanted - len(made)} could not be made, their pictures being unusable or too small"
    return f"{len(made)} worn copies for training alone: {each or 'none'}{missing if len(made) < wanted else ''}"


def _copy(source: CardPair, grade: int, random: np.random.Generator, folder: Path, lot: str) -> CardPair | None:
    """One copy with its pictures on disk; None where the source's pictures do not allow it."""
    name = f"{hashlib.sha256(source.card_id.encode()).hexdigest()[:16]}-worn-{grade}-{lot}"
    files = [
        folder / f"{name}-{side}.jpg" if path else None for side, path in (("f", source.front), ("b", source.back))
    ]
    card = replace(
        source, card_id=f"{source.card_id} worn to {grade} ({lot})", front=files[0], back=files[1], grade=float(grade)
    )
    card = replace(card, group=source.group_key, cert="", qualifier=None, synthetic=True)
    if all(file.exists() for file in files if file):
        return card
    try:
        sides = [_rectified(path) if path else None for path in (source.front, source.back)]
    except BadPicture:  # the run says of the source itself why it is left out
        return None
    if any(side is not None and side.shape[0] < LEAST_HEIGHT_PX for side in sides):
        return None
    worn = worn_copy(sides[0], sides[1], grade, random)
    for file, picture in zip(files, (worn.front, worn.back), strict=True):
        if file is not None and picture is not None:
            _write(file, picture)
    return card


def _rectified(path: Path) -> np.ndarray:
    rgb, found = read_and_find(path)
    size = card_size(found.quad, picture_size=rgb.shape[:2])
    return whole_card(rgb, found.quad, size, most_px_per_mm=MOST_PX_PER_MM)


def _write(file: Path, rgb: np.ndarray) -> None:
    """Whole or not at all: a killed run leaves no half a picture under the name that the next one trusts."""
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    with aside(file) as part:
        part.write_bytes(jpeg.tobytes())
