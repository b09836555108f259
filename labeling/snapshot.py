"""Snapshots of the current labels, the input of a training run, with a reason for every card left out."""

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
from engine.cards.grades import NoTarget
from engine.cards.pairs import CardPair, Manifest, read_manifest, write_snapshot
from labeling.picture_info import phash_of
from labeling.splits import assign_splits


class NothingToTrainOn(ValueError):
    """No card has a label that a model can learn from."""


@dataclass(frozen=True)
class LeftOutCard:
    """A card that is not trained on, with the reason as a phrase."""

    card_id: str
    reason: str


@dataclass(frozen=True)
class FrozenSnapshot:
    """A snapshot file, its row id and its content."""

    snapshot_id: int
    path: Path
    sha256: str
    pairs: list[CardPair]
    left_out: list[LeftOutCard]


def all_pairs(database: Database) -> list[CardPair]:
    """All cards with their current labels, oldest first; a split only if fixed by a manifest."""
    return [pair for pair, _ in _pairs_with_phashes(database)]


def _pairs_with_phashes(database: Database) -> list[tuple[CardPair, str | None]]:
    """All cards as in `all_pairs`, each with the perceptual hash of its front."""
    with database.reading() as session:
        labels = current_labels(session)
        return [
            (_to_pair(card, labels.get(card.id)), None if card.front is None else card.front.phash)
            for card in all_cards(session)
        ]


def pairs_from_manifest(path: Path) -> Manifest:
    """The cards of a manifest with their splits, and the refused rows. Raises BadManifest, LeakingSplit.

    The fronts are hashed, so that near-duplicate photos get the same split, as in the data folder.
    """
    manifest = read_manifest(path)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        phashes = list(pool.map(lambda pair: None if pair.front is None else phash_of(pair.front), manifest.pairs))
    return Manifest(assign_splits(manifest.pairs, phashes), manifest.refused)


def pairs_from_rows(database: Database) -> tuple[list[CardPair], list[LeftOutCard]]:
    """The trainable cards with their splits, and the cards left out with a reason each.

    Raises LeakingSplit if two cards that belong together are fixed to different splits.
    """
    trainable: list[CardPair] = []
    left_out: list[LeftOutCard] = []
    cards = _pairs_with_phashes(database)
    for pair in assign_splits([pair for pair, _ in cards], [phash for _, phash in cards]):
        reason = _reason_to_leave_out(pair)
        if reason is None:
            trainable.append(pair)
        else:
            left_out.append(LeftOutCard(pair.card_id, reason))
    return trainable, left_out


def freeze(database: Database, *, folder: Path) -> FrozenSnapshot:
    """Write the trainable cards as a snapshot in `folder`, named by its content hash, and record it.

    Raises NothingToTrainOn, LeakingSplit.
    """
    pairs, left_out = pairs_from_rows(database)
    if not pairs:
        raise NothingToTrainOn(
            f"none of the {len(left_out)} cards has a label to train on; import graded cards, or label some first"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder) as temporary_folder:
        temporary = Path(temporary_folder, "snapshot")
        write_snapshot(temporary, pairs)
        sha256 = hashlib.sha256(temporary.read_bytes()).hexdigest()
        path = temporary.replace(folder.absolute() / f"{sha256[:16]}.jsonl")
    with database.writing() as session:
        row = add_snapshot(
            session, path=path, sha256=sha256, pairs=len(pairs), left_out=[asdict(card) for card in left_out]
        )
    return FrozenSnapshot(row.id, path, sha256, pairs, left_out)


def _to_pair(card: Card, label: LabelEvent | None) -> CardPair:
    return CardPair(
        card_id=card.name,
        front=_path(card.front),
        back=_path(card.back),
        grade=None if label is None else label.grade,
        group=card.group_name,
        split=card.fixed_split,  # type: ignore[arg-type]  # guaranteed by the table's CHECK
        cert=card.cert,
        game=card.game,
        qualifier=None if label is None else label.qualifier,
        notes=card.notes,
    )


def _path(picture: Picture | None) -> Path | None:
    return None if picture is None else Path(picture.path)


def _reason_to_leave_out(pair: CardPair) -> str | None:
    target = pair.target()
    if isinstance(target, NoTarget):
        return target.reason
    for side in (pair.front, pair.back):
        if side is not None and not side.exists():
            return f"the picture {side} is missing; restore it, or import it again from its new location"
    return None
