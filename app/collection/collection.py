"""Cards of the collection with their gradings, returned grade and worth; their titles, prices and costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.settings import UserError
from db import cards, collection, labels
from db.schema import Card, Grading, LabelEvent
from db.session import Database, Session
from engine.cards.grades import GRADES, parse_grade, parse_qualifier
from engine.cards.pairs import name_key
from engine.cards.submission import CardValues, SubmissionCosts, SubmissionWorth, check_amount, submission_worth

RAW = "raw"  # key of the ungraded card's price
MAX_TITLE_LENGTH = 200
UNKNOWN_CARD = "this card is not in the collection any more; reload the page"
Prices = Mapping[str, float]


@dataclass(frozen=True)
class CollectionCard:
    """A card of the collection.

    gradings  oldest first; at least one
    returned  the grade that came back from the grading company, if it did
    worth     of submitting it, by its last grading; None without prices or without a prediction
    """

    card: Card
    gradings: Sequence[Grading]
    returned: LabelEvent | None
    worth: SubmissionWorth | None

    @property
    def title(self) -> str:
        """The title given by the collector, or the card's name."""
        return self.card.title or self.card.name

    @property
    def grading(self) -> Grading:
        """The last grading."""
        return self.gradings[-1]


def _expected_gain(card: CollectionCard) -> tuple[bool, float]:
    return (card.worth is None, 0.0 if card.worth is None else -card.worth.expected_gain)


def _grade(card: CollectionCard) -> tuple[bool, float]:
    expected = card.grading.prediction["expected"]
    return (expected is None, 0.0 if expected is None else -expected)


# Entries of the list "Sort by"; cards without a value come last.
ORDERS: dict[str, Callable[[CollectionCard], Any]] = {
    "Expected gain": _expected_gain,
    "Grade": _grade,
    "Name": lambda card: name_key(card.title),
    "Newest": lambda card: -card.card.id,
}


def load_collection(database: Database) -> list[CollectionCard]:
    """All cards of the collection outside the bin, oldest first."""
    with database.reading() as session:
        gradings = collection.gradings_by_card(session)
        returned = labels.returned_labels(session)
        costs = _costs(session)
        return [
            CollectionCard(
                card,
                gradings[card.id],
                _in_force(returned.get(card.id, [])),
                worth_of(gradings[card.id][-1].prediction, card.prices, costs),
            )
            for card in collection.collection_cards(session)
        ]


def find_cards(all_cards: Sequence[CollectionCard], text: str, order: str) -> list[CollectionCard]:
    """The cards whose title, name, game, notes or certificate number contain every word of a text, in an order."""
    words = name_key(text).split()
    found = [card for card in all_cards if all(word in _searched_text(card.card) for word in words)]
    return sorted(found, key=ORDERS[order])


def _searched_text(card: Card) -> str:
    return name_key(" ".join((card.title, card.name, card.game, card.notes, card.cert)))


def _in_force(returned: Sequence[LabelEvent]) -> LabelEvent | None:
    """The returned grade entered last; None if it was withdrawn."""
    last = returned[-1] if returned else None
    return None if last is None or (last.grade is None and last.qualifier is None) else last


def worth_of(prediction: Mapping[str, Any], prices: Prices | None, costs: SubmissionCosts) -> SubmissionWorth | None:
    """Worth of submitting a card with this prediction; None without a prediction, or without the prices needed."""
    if prediction["probabilities"] is None or not prices or RAW not in prices or len(prices) < 2:
        return None
    interval = prediction["interval"]
    return submission_worth(
        prediction["probabilities"], (interval["low"], interval["high"]), card_values(prices), costs
    )


def card_values(prices: Prices) -> CardValues:
    """Prices by key as the values of a card. Raises BadAmount."""
    return CardValues(prices[RAW], {grade: prices[str(grade)] for grade in GRADES if str(grade) in prices})


def current_costs(database: Database) -> SubmissionCosts:
    """The costs entered last; none before the first."""
    with database.reading() as session:
        return _costs(session)


def _costs(session: Session) -> SubmissionCosts:
    costs = collection.current_costs(session)
    return SubmissionCosts() if costs is None else SubmissionCosts(costs.grading_fee, costs.shipping, costs.selling_fee)


def save_costs(database: Database, costs: SubmissionCosts) -> None:
    """Save the costs of a submission, unless they are in use already."""
    with database.writing() as session:
        if _costs(session) != costs:
            collection.add_costs(
                session, grading_fee=costs.grading_fee, shipping=costs.shipping, selling_fee=costs.selling_fee
            )


def save_title(database: Database, card_id: int, title: str) -> None:
    """Give a card a title; an empty one is replaced by its name. Raises UserError if the card is unknown."""
    title = " ".join(title.split())
    if len(title) > MAX_TITLE_LENGTH:
        raise UserError(f"the name has {len(title)} characters; use at most {MAX_TITLE_LENGTH}")
    with database.writing() as session:
        _known(session, card_id).title = title


def save_prices(database: Database, card_id: int, prices: Prices) -> None:
    """Save the prices of a card, which may be incomplete. Raises UserError, BadAmount."""
    check_prices(prices)
    with database.writing() as session:
        _known(session, card_id).prices = dict(prices)


def check_prices(prices: Prices) -> None:
    """Raise BadAmount if a price is not usable."""
    for key, price in prices.items():
        check_amount(price, "value of the ungraded card" if key == RAW else f"value of a {key}")


def save_returned_grade(
    database: Database, card_id: int, *, grade: str, qualifier: str, cert: str, author: str = ""
) -> LabelEvent:
    """Record the grade that came back as the card's label; neither grade nor qualifier: it is withdrawn.

    grade  as people write it, halves included; raises BadGrade, UserError
    """
    cert = cert.strip()
    if cert and not (cert.isascii() and cert.isdecimal()):
        raise UserError(f"the certificate number {cert!r} is not a number; enter the digits on the label of the slab")
    parsed = (parse_grade(grade), parse_qualifier(qualifier))
    with database.writing() as session:
        card = _known(session, card_id)
        card.cert = cert or card.cert
        return labels.add_label(
            session,
            card_id=card_id,
            grade=parsed[0],
            qualifier=parsed[1],
            source="person",
            author=author,
            returned=True,
        )


def _known(session: Session, card_id: int) -> Card:
    card = cards.get(session, card_id=card_id)
    if card is None or card.deleted_at is not None:
        raise UserError(UNKNOWN_CARD)
    return card
