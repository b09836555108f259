"""Record imported cards as rows: add new cards, match known ones, add missing sides and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from db import cards as card_rows
from db import labels as label_rows
from db.schema import Card, LabelEvent, Picture
from db.session import Session
from engine.cards.pairs import CardPair, Refused, name_key
from labeling.duplicates import FrontIndex
from labeling.history_file import History
from labeling.import_batch import ImportBatch
from labeling.picture_info import PictureFile

LABELS_WIN_NOTE = "taken from the imported file"


@dataclass(frozen=True)
class LoadedCard:
    """A listed card with its loaded picture files."""

    pair: CardPair
    front: PictureFile | None
    back: PictureFile | None

    @property
    def files(self) -> list[PictureFile]:
        """The one or two picture files, front first."""
        return [file for file in (self.front, self.back) if file is not None]


@dataclass(frozen=True)
class RecordedCard:
    """A listed card that has a row now; `is_new` if it had none before."""

    pair: CardPair
    is_new: bool


@dataclass(frozen=True)
class BatchCounts:
    """Result of a batch: the recorded cards, the refused ones, and the number of labels unlike a person's."""

    recorded: list[RecordedCard]
    refused: list[Refused]
    changed_labels: int

    @property
    def added(self) -> int:
        """The number of new cards."""
        return sum(card.is_new for card in self.recorded)

    @property
    def known(self) -> int:
        """The number of known cards."""
        return len(self.recorded) - self.added


class CardRefused(ValueError):
    """A card that contradicts recorded data; the message names the remedy."""


class Recorder:
    """Records an import batch by batch; keeps the fronts and labels seen so far to detect duplicates and conflicts."""

    def __init__(self, *, synthetic: bool, labels_win: bool = False, history: History | None = None) -> None:
        """`history` holds the label events of exported cards, which those that are new here get."""
        self._history = history or {}
        self._synthetic = synthetic
        self._labels_win = labels_win
        self._fronts = FrontIndex()
        self._newest_card = 0
        self._labelled: dict[str, CardPair] = {}

    def record(self, session: Session, batch: Sequence[LoadedCard]) -> BatchCounts:
        """Record a batch within one writing transaction.

        The pictures of a refused card keep their rows, so the next import does not decode them again.
        """
        self._add_stored_fronts(session)
        files = [file for loaded in batch for file in loaded.files]
        rows = ImportBatch(session, files=files, names=[loaded.pair.card_id for loaded in batch])
        recorded: list[tuple[Card, CardPair]] = []
        refused: list[Refused] = []
        for loaded in batch:
            try:
                recorded.append((self._record_card(rows, loaded), loaded.pair))
            except CardRefused as error:
                reason = f"card {loaded.pair.card_id!r}: {error}"
                path, *others = (str(file.path) for file in loaded.files)
                refused.append(Refused(path, reason, loaded.pair.card_id, others=tuple(others)))
        card_rows.add_cards(session, cards=rows.new_cards)
        self._newest_card = max([self._newest_card, *(card.id for card in rows.new_cards)])
        self._restore_histories(session, rows.new_cards)
        # A label that only repeats the history beside it says nothing of its own; one that was edited does.
        listed = [(card, pair) for card, pair in recorded if not self._repeats_history(card, pair)]
        changed_labels = _add_labels(session, listed, labels_win=self._labels_win)
        # A new card that is listed twice, under two names, is new once.
        new_ids = {card.id for card in rows.new_cards}
        new = {card.id: pair for card, pair in reversed(recorded) if card.id in new_ids}
        outcomes = [RecordedCard(pair, new.get(card.id) is pair) for card, pair in recorded]
        return BatchCounts(outcomes, refused, changed_labels)

    def _restore_histories(self, session: Session, new_cards: Sequence[Card]) -> None:
        """Record the label events that new cards had where they were exported."""
        histories = [(card, self._history.get(name_key(card.name), [])) for card in new_cards]
        events = [LabelEvent(card_id=card.id, **values) for card, history in histories for values in history]
        label_rows.add_labels(session, events=events)

    def _repeats_history(self, card: Card, pair: CardPair) -> bool:
        history = self._history.get(name_key(card.name), [])
        last = max(enumerate(history), key=lambda item: (item[1]["source"] == "person", item[0]), default=None)
        return last is not None and (last[1]["grade"], last[1]["qualifier"]) == (pair.grade, pair.qualifier)

    def _add_stored_fronts(self, session: Session) -> None:
        """Index the fronts of cards not written by this import: earlier cards, and those of other writers."""
        for card_id, phash, group, fixed_split in card_rows.fronts(session, after=self._newest_card):
            self._fronts.add(phash, group=group, fixed_split=fixed_split)
            self._newest_card = max(self._newest_card, card_id)

    def _record_card(self, rows: ImportBatch, loaded: LoadedCard) -> Card:
        """The row of a card: the existing row with any new side added, taken out of the bin, or a new row."""
        front, back = rows.picture(loaded.front), rows.picture(loaded.back)
        if front is not None and front is back:
            raise CardRefused("its front and its back are the same picture; give the other side")
        matches = rows.matches(front, back)
        if not matches:
            return self._new_card(rows, loaded)
        if front is not None and back is not None and len(matches) > 1:
            names = " and ".join(repr(card.name) for card in matches)
            raise CardRefused(f"its two sides are already the cards {names}; one card cannot be made of two")
        card = matches[0]
        self._check_agreement(card, loaded.pair)
        if front is not None and card.front_id is None:
            self._fronts.add(front.phash, group=card.group_name, fixed_split=card.fixed_split)
        rows.add_sides(card, front, back)
        _update_details(card, loaded.pair)
        card.deleted_at = None
        return card

    def _new_card(self, rows: ImportBatch, loaded: LoadedCard) -> Card:
        pair, front, back = loaded.pair, rows.picture(loaded.front), rows.picture(loaded.back)
        namesake = rows.by_name.get(pair.card_id)
        if namesake is not None:
            raise CardRefused(namesake_message(namesake, [file.path for file in loaded.files]))
        group = pair.group or self._group_of(front, pair) or pair.card_id
        card = Card(
            name=pair.card_id,
            group_name=group,
            fixed_split=pair.split,
            cert=pair.cert,
            game=pair.game,
            notes=pair.notes,
            synthetic=self._synthetic,
        )
        if front is not None:
            self._fronts.add(front.phash, group=group, fixed_split=pair.split)
        rows.add_sides(card, front, back)
        rows.add(card)
        self._first_label(card, pair)
        return card

    def _group_of(self, front: Picture | None, pair: CardPair) -> str | None:
        return None if front is None else self._fronts.group_of(front.phash, fixed_split=pair.split)

    def _check_agreement(self, card: Card, pair: CardPair) -> None:
        if pair.group and pair.group != card.group_name:
            raise CardRefused(
                f"its group is {card.group_name!r}, not {pair.group!r}, and never changes, so that no card moves from "
                "the training to the test split; leave its group empty"
            )
        earlier = self._first_label(card, pair)
        if (earlier.grade, earlier.qualifier) != (pair.grade, pair.qualifier):
            raise CardRefused(f"it is also listed as {earlier.card_id!r} with another label; keep the right one")

    def _first_label(self, card: Card, pair: CardPair) -> CardPair:
        """The first row of this import that labelled the card, or `pair` if none did."""
        if pair.grade is None and pair.qualifier is None:
            return pair
        return self._labelled.setdefault(card.name, pair)


def _update_details(card: Card, pair: CardPair) -> None:
    """Update a known card with the non-empty fields of a manifest row."""
    card.cert = pair.cert or card.cert
    card.game = pair.game or card.game
    card.notes = pair.notes or card.notes
    card.fixed_split = pair.split or card.fixed_split


def namesake_message(card: Card, files: Sequence[Path]) -> str:
    """The reason to refuse a card with the name of a recorded one, whose files it may have replaced."""
    recorded = {picture.path for picture in card.pictures}
    if changed := [file.name for file in files if str(file) in recorded]:
        return (
            f"{' and '.join(changed)} changed since the import, and the label of that card is of the earlier picture; "
            "put that picture back, or give the new one another name"
        )
    picture = card.front or card.back
    return f"the name is used by the card in {picture and picture.path}; rename one of the two"


def _add_labels(session: Session, recorded: Sequence[tuple[Card, CardPair]], *, labels_win: bool) -> int:
    """Record the labels that differ from the last import's; returns the number that differ from a person's.

    labels_win  those are recorded as the person's own, else the person's labels stay in force
    """
    labelled = [(card, pair) for card, pair in recorded if pair.grade is not None or pair.qualifier is not None]
    card_ids = [card.id for card, _ in labelled]
    imported = label_rows.last_labels(session, card_ids=card_ids, source="import")
    given = label_rows.last_labels(session, card_ids=card_ids, source="person")
    events, changed = [], set()
    for card, pair in labelled:
        if not _agrees(imported.get(card.id), pair):
            imported[card.id] = LabelEvent(card_id=card.id, grade=pair.grade, qualifier=pair.qualifier, source="import")
            events.append(imported[card.id])
        if card.id in given and not _agrees(given[card.id], pair) and card.id not in changed:
            changed.add(card.id)
            if labels_win:
                events.append(
                    LabelEvent(
                        card_id=card.id,
                        grade=pair.grade,
                        qualifier=pair.qualifier,
                        source="person",
                        note=LABELS_WIN_NOTE,
                    )
                )
    label_rows.add_labels(session, events=events)
    return len(changed)


def _agrees(label: LabelEvent | None, pair: CardPair) -> bool:
    return label is not None and (label.grade, label.qualifier) == (pair.grade, pair.qualifier)
