"""Freeze the labels that hold now into a file that a run trains on, with a reason for every card left out."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from db.cards import all_cards
from db.labels import current_labels
from db.schema import Card, LabelEvent, Picture
from db.session import Database
from db.snapshots import add_snapshot
from engine.cards.grades import LeftOut
from engine.cards.pairs import CardPair, Manifest, read_manifest, write_snapshot
from labeling.picture_info import phash_of
from labeling.splits import assign_splits


class NothingToTrainOn(ValueError):
    """No card has a label that a model can learn from."""


@dataclass(frozen=True)
class LeftOutCard:
    """A card that is not trained on, and why, as a phrase."""

    card_id: str
    reason: str


@dataclass(frozen=True)
class Frozen:
    """A snapshot file, its row and what it holds."""

    snapshot_id: int
    path: Path
    sha256: str
    pairs: list[CardPair]
    left_out: list[LeftOutCard]


def all_pairs(database: Database) -> list[CardPair]:
    """Every card with the label that holds now, oldest first; its split only where a manifest fixed it."""
    return [pair for pair, _ in _pairs_and_hashes(database)]


def _pairs_and_hashes(database: Database) -> list[tuple[CardPair, str | None]]:
    """Those, each with the perceptual hash of its front."""
    with database.reading() as session:
        labels = current_labels(session)
        return [
            (_as_pair(card, labels.get(card.id)), None if card.front is None else card.front.phash)
            for card in all_cards(session)
        ]


def pairs_from_manifest(path: Path) -> Manifest:
    """A manifest's cards with their splits, and the rows that were refused. Raises BadManifest, LeakingSplit.

    The fronts are looked at, so that a near-duplicate photo is on the side of its twin, as it is in the data folder.
    """
    read = read_manifest(path)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        phashes = list(pool.map(lambda pair: None if pair.front is None else phash_of(pair.front), read.pairs))
    return Manifest(assign_splits(read.pairs, phashes), read.refused)


def pairs_from_rows(database: Database) -> tuple[list[CardPair], list[LeftOutCard]]:
    """The cards that can be trained on, with their splits, and the others with the reason for each.

    Raises LeakingSplit where two cards that belong together are fixed to different sides.
    """
    trainable: list[CardPair] = []
    left_out: list[LeftOutCard] = []
    cards = _pairs_and_hashes(database)
    for pair in assign_splits([pair for pair, _ in cards], [phash for _, phash in cards]):
        reason = _reason_to_leave_out(pair)
        if reason is None:
            trainable.append(pair)
        else:
            left_out.append(LeftOutCard(pair.card_id, reason))
    return trainable, left_out


def freeze(database: Database, *, folder: Path) -> Frozen:
    """Write the trainable cards as a snapshot in `folder`, named after its own content, and record it.

    Raises NothingToTrainOn, LeakingSplit.
    """
    pairs, left_out = pairs_from_rows(database)
    if not pairs:
        raise NothingToTrainOn(
            f"none of the {len(left_out)} cards has a label to train on; import graded cards, or label some first"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder) as aside:
        part = Path(aside, "snapshot")
        write_snapshot(part, pairs)
        sha256 = hashlib.sha256(part.read_bytes()).hexdigest()
        path = part.replace(folder.absolute() / f"{sha256[:16]}.jsonl")
    with database.writing() as session:
        row = add_snapshot(
            session, path=path, sha256=sha256, pairs=len(pairs), left_out=[asdict(card) for card in left_out]
        )
    return Frozen(row.id, path, sha256, pairs, left_out)


def _as_pair(card: Card, label: LabelEvent | None) -> CardPair:
    return CardPair(
        card_id=card.name,
        front=_path(card.front),
        back=_path(card.back),
        grade=None if label is None else label.grade,
        group=card.group_name,
        split=card.fixed_split,  # type: ignore[arg-type]  # the table's CHECK allows nothing else
        cert=card.cert,
        game=card.game,
        qualifier=None if label is None else label.qualifier,
        notes=card.notes,
    )


def _path(picture: Picture | None) -> Path | None:
    return None if picture is None else Path(picture.path)


def _reason_to_leave_out(pair: CardPair) -> str | None:
    target = pair.target()
    if isinstance(target, LeftOut):
        return target.reason
    for side in (pair.front, pair.back):
        if side is not None and not side.exists():
            return f"the picture {side} is gone; put it back, or import it from where it is now"
    return None
