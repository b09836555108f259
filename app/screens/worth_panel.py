"""Worth it?: the panel for prices and costs of a card, and what submitting it for grading is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from app.collection.collection import RAW, Prices, check_prices, current_costs, save_costs
from app.collection.collection_text import card_worth_text
from db.session import Database
from engine.cards.grades import GRADES
from engine.cards.submission import SubmissionCosts

FREQUENT_GRADES = (10, 9, 8, 7)
OTHER_GRADES = tuple(grade for grade in reversed(GRADES) if grade not in FREQUENT_GRADES)
# Keys of the prices in the order of their fields.
PRICE_KEYS = (RAW, *map(str, (*FREQUENT_GRADES, *OTHER_GRADES)))
HINT = "Enter what the card sells for, in your currency. Prices that you leave empty are estimated from the others."


class WorthPanel:
    """The panel of one tab; the tab connects `button` to a handler that calls `work_out`."""

    def __init__(self, prefix: str, *, button: str = "Is it worth submitting?") -> None:
        """Add the panel to the Gradio layout being built; `prefix` begins the ids of its elements."""
        gr.Markdown(HINT)
        with gr.Row(elem_classes="amounts"):
            raw = _amount("Ungraded", f"{prefix}-price-raw")
            frequent = [_amount(f"PSA {grade}", f"{prefix}-price-{grade}") for grade in FREQUENT_GRADES]
        with gr.Accordion("Lower grades", open=False), gr.Row(elem_classes="amounts"):
            others = [_amount(f"PSA {grade}", f"{prefix}-price-{grade}") for grade in OTHER_GRADES]
        with gr.Row(elem_classes="amounts"):
            self._costs = [
                _amount("Grading fee", f"{prefix}-fee"),
                _amount("Shipping, per card", f"{prefix}-shipping"),
                _amount("Selling fee in %", f"{prefix}-selling-fee"),
            ]
        self.button = gr.Button(button, elem_id=f"{prefix}-work-out")
        self.text = gr.Markdown(elem_id=f"{prefix}-worth-text")
        self._prices = [raw, *frequent, *others]

    @property
    def fields(self) -> list[Any]:
        """All fields: the prices, then the costs."""
        return [*self._prices, *self._costs]

    @property
    def price_fields(self) -> list[Any]:
        """The fields of the prices."""
        return list(self._prices)

    @property
    def cost_fields(self) -> list[Any]:
        """The fields of the costs."""
        return list(self._costs)


def _amount(label: str, name: str) -> gr.Number:
    return gr.Number(label=label, elem_id=name, min_width=110)


def read_prices(values: Sequence[float | None]) -> Prices:
    """The prices entered in the panel's fields, which the costs follow. Raises BadAmount."""
    prices = {key: value for key, value in zip(PRICE_KEYS, values, strict=False) if value is not None}
    check_prices(prices)
    return prices


def read_costs(values: Sequence[float | None]) -> SubmissionCosts:
    """The costs entered in the panel's fields. Raises BadAmount."""
    grading_fee, shipping, selling_fee = (value or 0.0 for value in values[-3:])
    return SubmissionCosts(grading_fee, shipping, selling_fee / 100)


def price_values(prices: Prices | None) -> list[float | None]:
    """Values of the price fields, in their order."""
    prices = prices or {}
    return [prices.get(key) for key in PRICE_KEYS]


def cost_values(database: Database) -> list[float | None]:
    """Values of the cost fields: the costs entered last, empty before the first."""
    costs = current_costs(database)
    if costs == SubmissionCosts():
        return [None] * 3
    return [costs.grading_fee, costs.shipping, round(100 * costs.selling_fee, 6)]


def work_out(database: Database, prediction: Mapping[str, Any], values: Sequence[float | None]) -> str:
    """Save the costs of the panel's fields; returns the worth of submitting a card with this prediction as text."""
    prices, costs = read_prices(values), read_costs(values)
    save_costs(database, costs)
    return card_worth_text(prediction, prices, costs)
