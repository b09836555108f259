"""The models of the Train tab: each press ends in a model in use, or in the reasons against it on the page."""

from __future__ import annotations

import asyncio

import gradio as gr
import pytest

from app.screens.models_panel import ModelsPanel, shown_cards
from engine.evaluation.paired_models import ChangedCard


class Page:
    """The panel and the last values of its widgets, by their ids."""

    def __init__(self, desk):
        async def built() -> ModelsPanel:  # without a running event loop, Gradio creates one and leaves it open
            with gr.Blocks():
                return ModelsPanel(desk.home.database, desk.home.data)

        self.panel = asyncio.run(built())
        self.desk, self.shown = desk, {}
        self.update(self.panel.fill())

    def update(self, updates):
        for widget, value in updates.items():
            assert widget in self.panel.outputs
            name = widget.elem_id or ("override" if widget is self.panel._override else "other")
            known = self.shown.setdefault(name, {})
            known.update(value if isinstance(value, dict) else {"value": value})

    def press(self, updates):
        for step in updates:
            self.update(step)

    def __getitem__(self, name):
        return self.shown[name].get("value")

    def is_visible(self, name):
        return bool(self.shown[name].get("visible"))


@pytest.fixture
def page(desk):
    desk.run_with(b"9: weak")
    desk.run_with(b"1: better")
    return Page(desk)


def test_a_refused_model_shows_its_reasons_asks_why_and_is_used_with_an_answer(page):
    assert page["compared-model"] == "run 2", "the newest"
    page.press(page.panel.promote("run 1"))
    assert "no better than chance" in page["comparison-verdict"]
    assert page.is_visible("override")
    assert page.desk.in_use is None
    page.press(page.panel.promote("run 1", "to begin with"))
    assert "Run 1 grades from now on" in page["comparison-verdict"]
    assert not page.is_visible("override")
    assert "**run 1**" in page["model-in-use"]
    assert "to begin with" in page["model-history"]
    assert "against the comparison" in page["model-history"]


def test_a_comparison_shows_both_models_and_the_changed_cards_and_changes_nothing(page):
    page.press(page.panel.promote("run 1", "to begin with"))
    page.press(page.panel.compare("run 2"))
    assert "It may replace the model in use" in page["comparison-verdict"]
    assert "| run 1 | run 2 |" in page["comparison-figures"]
    assert "nearer to the label" in page["changed-cards-text"]
    assert {"run 1 (in use)", "run 2"} < set(page["comparison-reliability"]["model"])
    assert page.is_visible("comparison-reliability")
    assert page.desk.in_use == "run 1"


def test_a_model_is_put_back_and_is_no_choice_while_it_is_in_use(page):
    page.press(page.panel.promote("run 1", "to begin with"))
    page.press(page.panel.promote("run 2"))
    assert [number for _, number in page.shown["earlier-model"]["choices"]] == [1]
    assert page["earlier-model"] == 1, "the one before is chosen"
    page.update(page.panel.roll_back(1, "run 2"))
    assert "Run 1 grades again" in page["comparison-verdict"]
    assert page.desk.in_use == "run 1"
    assert [number for _, number in page.shown["earlier-model"]["choices"]] == [2]
    assert page["earlier-model"] is None, "nothing was in use before it"
    assert page["compared-model"] == "run 2"
    with pytest.raises(gr.Error, match="choose a model first"):
        page.panel.roll_back(None, "run 2")


def test_a_press_without_a_usable_model_says_why_on_the_page(page, tmp_path):
    (tmp_path / "found.pt").write_bytes(b"1: a file of this machine")
    for name in (None, "", "run x", str(tmp_path / "found.pt"), "current"):
        page.press(page.panel.compare(name))
        assert "choose a model first" in page["comparison-verdict"]
    page.press(page.panel.compare("run 99"))
    assert "there is no run 99" in page["comparison-verdict"]
    page.press(page.panel.promote("run 1", "yes"))
    page.press(page.panel.compare("run 1"))
    assert "run 1 is the model in use" in page["comparison-verdict"]


def test_another_model_can_be_chosen_when_the_one_in_use_is_gone(page):
    page.press(page.panel.promote("run 2"))
    for path in page.desk.home.data.run_folder(2).glob("*.pt"):
        path.unlink()
    page.update(page.panel.fill())
    assert "is gone" in page["model-in-use"]
    page.press(page.panel.promote("run 1", "the other is gone"))
    assert page.desk.in_use == "run 1"


def test_the_worst_cards_and_then_the_best_are_shown():
    changed = [ChangedCard(f"c{number}", 5, 6, 7, worse) for number, worse in enumerate(range(15, -15, -1))]
    shown = [card.worse for card in shown_cards(changed)]
    assert shown == [15, 14, 13, 12, 11, 10, 9, 8, -14, -13, -12, -11]
    assert [card.worse for card in shown_cards(changed[-3:])] == [-14, -13, -12]
