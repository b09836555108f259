"""Write looked-at cards as rows: which card is new, which is known, which comes with its other side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from db import cards as card_rows
from db import labels as label_rows
from db.schema import Card, LabelEvent, Picture
from db.session import Session
from engine.cards.pairs import CardPair, Refused
from labeling.duplicates import FrontIndex
from labeling.import_batch import Shelf
from labeling.picture_info import PictureFile


@dataclass(frozen=True)
class SeenCard:
    """A card as listed, with what its picture files hold."""

    pair: CardPair
    front: PictureFile | None
    back: PictureFile | None

    @property
    def files(self) -> list[PictureFile]:
        """The one or two files, front first."""
        return [file for file in (self.front, self.back) if file is not None]


@dataclass(frozen=True)
class Recorded:
    """What became of a batch: how many cards were new, how many known, and those refused."""

    added: int
    known: int
    refused: list[Refused]


class CardRefused(ValueError):
    """A card that contradicts what is known; the message says what to do."""


class Recorder:
    """Records one import, batch by batch; what it remembers between batches is what only the whole import shows."""

    def __init__(self, *, synthetic: bool) -> None:
        self._synthetic = synthetic
        self._fronts = FrontIndex()
        self._newest_card = 0
        self._labelled: dict[str, CardPair] = {}

    def record(self, session: Session, batch: Sequence[SeenCard]) -> Recorded:
        """Record a batch within one writing transaction.

        The pictures of a refused card stay known: the next import need not decode them again.
        """
        self._learn_fronts(session)
        files = [file for seen in batch for file in seen.files]
        shelf = Shelf(session, files=files, names=[seen.pair.card_id for seen in batch])
        placed: list[tuple[Card, CardPair]] = []
        refused: list[Refused] = []
        for seen in batch:
            try:
                placed.append((self._place(shelf, seen), seen.pair))
            except CardRefused as error:
                refused.append(Refused(str(seen.files[0].path), f"card {seen.pair.card_id!r}: {error}"))
        card_rows.add_cards(session, cards=shelf.new)
        self._newest_card = max([self._newest_card, *(card.id for card in shelf.new)])
        _label(session, placed)
        return Recorded(len(shelf.new), len(placed) - len(shelf.new), refused)

    def _learn_fronts(self, session: Session) -> None:
        """Take in the cards that this import did not write: those from before, and those others add meanwhile."""
        for card_id, phash, group, fixed_split in card_rows.fronts(session, after=self._newest_card):
            self._fronts.add(phash, group=group, fixed_split=fixed_split)
            self._newest_card = max(self._newest_card, card_id)

    def _place(self, shelf: Shelf, seen: SeenCard) -> Card:
        """The row of a card: the one it has, completed where it brings a new side, or a new one."""
        front, back = shelf.picture(seen.front), shelf.picture(seen.back)
        if front is not None and front is back:
            raise CardRefused("its front and its back are the same picture; give the other side")
        matches = shelf.matches(front, back)
        if not matches:
            return self._new_card(shelf, seen.pair, front, back)
        if front is not None and back is not None and len(matches) > 1:
            names = " and ".join(repr(card.name) for card in matches)
            raise CardRefused(f"its two sides are already the cards {names}; one card cannot be made of two")
        card = matches[0]
        self._check_agreement(card, seen.pair)
        if front is not None and card.front_id is None:
            self._fronts.add(front.phash, group=card.group_name, fixed_split=card.fixed_split)
        shelf.complete(card, front, back)
        _take_over(card, seen.pair)
        return card

    def _new_card(self, shelf: Shelf, pair: CardPair, front: Picture | None, back: Picture | None) -> Card:
        namesake = shelf.by_name.get(pair.card_id)
        if namesake is not None:
            picture = namesake.front or namesake.back
            raise CardRefused(f"the name is taken by the card in {picture and picture.path}; rename one of the two")
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
        shelf.complete(card, front, back)
        shelf.put(card)
        self._first_said(card, pair)
        return card

    def _group_of(self, front: Picture | None, pair: CardPair) -> str | None:
        return None if front is None else self._fronts.group_of(front.phash, fixed_split=pair.split)

    def _check_agreement(self, card: Card, pair: CardPair) -> None:
        if pair.group and pair.group != card.group_name:
            raise CardRefused(
                f"its group is {card.group_name!r}, not {pair.group!r}, and never changes, so that no card moves from "
                "training to the test; leave its group empty"
            )
        earlier = self._first_said(card, pair)
        if (earlier.grade, earlier.qualifier) != (pair.grade, pair.qualifier):
            raise CardRefused(f"it is also listed as {earlier.card_id!r} with another label; keep the right one")

    def _first_said(self, card: Card, pair: CardPair) -> CardPair:
        """The row of this import that first gave the card a label; `pair` itself where it is that, or gives none."""
        if pair.grade is None and pair.qualifier is None:
            return pair
        return self._labelled.setdefault(card.name, pair)


def _take_over(card: Card, pair: CardPair) -> None:
    """What a manifest says of a known card replaces what is known; what it leaves empty stays."""
    card.cert = pair.cert or card.cert
    card.game = pair.game or card.game
    card.notes = pair.notes or card.notes
    card.fixed_split = pair.split or card.fixed_split


def _label(session: Session, placed: Sequence[tuple[Card, CardPair]]) -> None:
    """Record the labels that differ from the last import's; what a person said is not touched by that."""
    last = label_rows.last_imports(session, card_ids=[card.id for card, _ in placed])
    events = []
    for card, pair in placed:
        says_nothing = pair.grade is None and pair.qualifier is None
        before = last.get(card.id)
        if says_nothing or (before is not None and (before.grade, before.qualifier) == (pair.grade, pair.qualifier)):
            continue
        last[card.id] = LabelEvent(card_id=card.id, grade=pair.grade, qualifier=pair.qualifier, source="import")
        events.append(last[card.id])
    label_rows.add_labels(session, events=events)
