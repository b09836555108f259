"""Snapshots of the current labels, the input of a training run, with a reason for every card left out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from db.cards import all_cards
from db.labels import current_labels
from db.schema import Card, LabelEvent, Picture
from db.session import Database
from db.snapshots import add_snapshot
from engine.cards.grades import NoTarget
from engine.cards.pairs import CardPair, Manifest, freeze_snapshot, read_manifest
from engine.image.content_hash import readable_hash
from labeling.picture_files import PICTURE_REASON, locate_pictures, lost_pictures
from labeling.picture_info import phash_of
from labeling.splits import assign_splits

MAX_LEFT_OUT_LINES = 20


class NothingToTrainOn(ValueError):
    """No card has a label that a model can learn from."""


@dataclass(frozen=True)
class LeftOutCard:
    """A card that is not trained on, with the reason as a phrase."""

    card_id: str
    reason: str


@dataclass(frozen=True)
class TrainableCount:
    """Numbers of labelled cards: ready to train on, with a label to learn nothing from, and without their picture."""

    ready: int
    unusable_label: int
    without_picture: int


@dataclass(frozen=True)
class FrozenSnapshot:
    """A snapshot file, its row id and its content."""

    snapshot_id: int
    path: Path
    sha256: str
    pairs: list[CardPair]
    left_out: list[LeftOutCard]


@dataclass(frozen=True)
class _RecordedCard:
    """A card with its current label, its picture rows by side, and the perceptual hash of its front."""

    pair: CardPair
    pictures: list[Picture]
    phash: str | None


def all_pairs(database: Database) -> tuple[list[CardPair], list[LeftOutCard]]:
    """All cards with their current labels, oldest first; a split only if fixed by a manifest.

    A card is left out if one of its files is missing or no longer shows the picture that was labelled.
    """
    return _with_files(database, _recorded_cards(database))


def _recorded_cards(database: Database) -> list[_RecordedCard]:
    with database.reading() as session:
        labels = current_labels(session)
        return [
            _RecordedCard(
                _to_pair(card, labels.get(card.id)),
                card.pictures,
                None if card.front is None else card.front.phash,
            )
            for card in all_cards(session)
        ]


def _with_files(database: Database, cards: Sequence[_RecordedCard]) -> tuple[list[CardPair], list[LeftOutCard]]:
    """The cards with the paths at which their pictures are now, and the cards left out because a picture is gone."""
    locations = locate_pictures(database, (picture for card in cards for picture in card.pictures))
    by_sha256 = {picture.sha256: locations[picture.id] for card in cards for picture in card.pictures}
    pairs, left_out = [], []
    for card in cards:
        reasons = [locations[picture.id].reason for picture in card.pictures]
        if any(reasons):
            left_out.append(LeftOutCard(card.pair.card_id, "; ".join(filter(None, reasons))))
            continue
        front, back = (
            by_sha256[sha256].path if sha256 else None for sha256 in (card.pair.front_sha256, card.pair.back_sha256)
        )
        pairs.append(replace(card.pair, front=front, back=back))
    return pairs, left_out


def pairs_from_manifest(path: Path) -> Manifest:
    """The cards of a manifest with their splits and hashes, and the refused rows. Raises BadManifest, LeakingSplit.

    The fronts also get a perceptual hash, so that near-duplicate photos get the same split, as in the data folder.
    """
    manifest = read_manifest(path)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pairs = list(pool.map(_with_hashes, manifest.pairs))
        phashes = list(pool.map(lambda pair: None if pair.front is None else phash_of(pair.front), pairs))
    return Manifest(assign_splits(pairs, phashes), manifest.refused, manifest.notices)


def _with_hashes(pair: CardPair) -> CardPair:
    front, back = ("" if path is None else readable_hash(path) for path in (pair.front, pair.back))
    return replace(pair, front_sha256=front, back_sha256=back)


def pairs_from_rows(database: Database) -> tuple[list[CardPair], list[LeftOutCard]]:
    """The trainable cards with their splits, and the cards left out with a reason each.

    Raises LeakingSplit if two cards that belong together are fixed to different splits.
    """
    cards = _recorded_cards(database)
    # All cards, so that a card that is left out for now changes no other card's split.
    split_pairs = assign_splits([card.pair for card in cards], [card.phash for card in cards])
    trainable: list[_RecordedCard] = []
    left_out: list[LeftOutCard] = []
    for card, pair in zip(cards, split_pairs, strict=True):
        target = pair.target()
        if isinstance(target, NoTarget):
            left_out.append(LeftOutCard(pair.card_id, target.reason))
        else:
            trainable.append(replace(card, pair=pair))
    pairs, without_files = _with_files(database, trainable)
    return pairs, left_out + without_files


def count_trainable(database: Database) -> TrainableCount:
    """Count the labelled cards by what `freeze` does with them, without reading files that look untouched."""
    # A label with neither grade nor qualifier was withdrawn.
    labelled = [card for card in _recorded_cards(database) if (card.pair.grade, card.pair.qualifier) != (None, None)]
    usable = [card for card in labelled if not isinstance(card.pair.target(), NoTarget)]
    lost = lost_pictures(database, (picture for card in usable for picture in card.pictures))
    ready = [card for card in usable if lost.isdisjoint(picture.id for picture in card.pictures)]
    return TrainableCount(len(ready), len(labelled) - len(usable), len(usable) - len(ready))


def freeze(database: Database, *, folder: Path) -> FrozenSnapshot:
    """Write the trainable cards as a snapshot in `folder`, named by its content hash, and record it.

    Raises NothingToTrainOn, LeakingSplit.
    """
    pairs, left_out = pairs_from_rows(database)
    if not pairs:
        raise NothingToTrainOn(_nothing_message(left_out))
    folder.mkdir(parents=True, exist_ok=True)
    path, sha256 = freeze_snapshot(folder, pairs)
    with database.writing() as session:
        row = add_snapshot(
            session, path=path, sha256=sha256, pairs=len(pairs), left_out=[asdict(card) for card in left_out]
        )
    return FrozenSnapshot(row.id, path, sha256, pairs, left_out)


def left_out_lines(left_out: Sequence[Mapping[str, str]]) -> list[str]:
    """Lines on the cards, each {card_id, reason}, that are left out for their pictures: the first, and their number."""
    gone = [card for card in left_out if card["reason"].startswith(PICTURE_REASON)]
    lines = [f"{card['card_id']}: left out: {card['reason']}" for card in gone[:MAX_LEFT_OUT_LINES]]
    cards = "1 card is" if len(gone) == 1 else f"{len(gone)} cards are"
    return [*lines, f"{cards} left out, because a picture is missing or has changed"] if gone else []


def _nothing_message(left_out: Sequence[LeftOutCard]) -> str:
    gone = [card for card in left_out if card.reason.startswith(PICTURE_REASON)]
    if gone:
        return f"none of the {len(gone)} labelled cards can be trained on; of {gone[0].card_id!r}, {gone[0].reason}"
    return f"none of the {len(left_out)} cards has a label to train on; import graded cards, or label some first"


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
        front_sha256="" if card.front is None else card.front.sha256,
        back_sha256="" if card.back is None else card.back.sha256,
    )


def _path(picture: Picture | None) -> Path | None:
    return None if picture is None else Path(picture.path)
