"""Two pages of one user at once, two tabs of a browser: each shows and changes what is its own."""

import asyncio
import shutil

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from app.batch.batch import BatchCard, create_batch, delete_batch
from app.settings import ServerOptions
from db import card_bin, cards, collection, labels
from engine.storage.file_hash import sha256
from labeling.import_cards import import_cards
from tests.app.collection.test_collection import report
from tests.app.screens.conftest import mounted
from tests.card_factory import write_cards
from tests.db import row_factory


class OpenPage:
    """A page that is open in a browser: its session, and the last value of each of its components."""

    def __init__(self, page, name):
        self._page, self._state = page, SessionState(page)
        self._request = gr.Request(
            client={"host": "127.0.0.1", "port": 50000}, headers={}, session_hash=name, username=None
        )
        self.values = {number: getattr(block, "value", None) for number, block in page.blocks.items()}

    def number(self, elem_id):
        [number] = [number for number, block in self._page.blocks.items() if getattr(block, "elem_id", None) == elem_id]
        return number

    def __getitem__(self, elem_id):
        return self.values[self.number(elem_id)]

    def event(self, elem_id, trigger):
        """The page's first event of a component and a trigger that the server handles."""
        target = (self.number(elem_id), trigger)
        return next(fn for fn in self._page.fns.values() if target in fn.targets and fn.fn is not None)

    async def steps(self, event, **changes):
        """Send an event and yield after each of its answers; `changes` are values of inputs, by place."""
        values = [None if block.stateful else self.values[block._id] for block in event.inputs]
        for place, value in changes.items():
            values[int(place.removeprefix("at"))] = value
        iterator = None
        while True:
            output = await self._page.process_api(event, values, self._state, self._request, iterator=iterator)
            # What a generator ends with is empty: the page has its last answer already.
            is_end = iterator is not None and not output["is_generating"]
            for block, value in () if is_end else zip(event.outputs, output["data"], strict=True):
                self._apply(block._id, value)
            iterator = output["iterator"]
            yield
            if not output["is_generating"]:
                return

    def _apply(self, number, value):
        if isinstance(value, dict) and value.get("__type__") == "update":
            if "value" in value:
                self.values[number] = value["value"]
        else:
            self.values[number] = value

    def do(self, elem_id, trigger, **changes):
        self.send(self.event(elem_id, trigger), **changes)

    def send(self, event, **changes):
        async def all_steps():
            async for _ in self.steps(event, **changes):
                pass

        asyncio.run(all_steps())


@pytest.fixture(scope="module")
def served(empty_home):
    return mounted(empty_home, ServerOptions())


@pytest.fixture(scope="module")
def pictures(empty_home, tmp_path_factory):
    """Fronts of two cards, uploaded."""
    manifest = write_cards(tmp_path_factory.mktemp("cards"), [9, 8])
    fronts = sorted(manifest.parent.glob("*front*"))[:2]
    empty_home.data.uploads.mkdir(parents=True, exist_ok=True)
    return [shutil.copy(front, empty_home.data.uploads / front.name) for front in fronts]


def handler(page, name):
    """The first event of a handler by its qualified name."""
    return next(fn for fn in page.fns.values() if getattr(fn.fn, "__qualname__", "") == name)


def file(path):
    return {"path": str(path), "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}


def test_two_pages_that_grade_at_once_show_their_own_cards(served, pictures):
    pages = [OpenPage(served.page, name) for name in ("first", "second")]

    async def interleaved():
        gradings = [
            page.steps(page.event("grade-start", "click"), at2=file(picture))
            for page, picture in zip(pages, pictures, strict=True)
        ]
        while gradings:
            for grading in tuple(gradings):
                if await anext(grading, "end") == "end":
                    gradings.remove(grading)

    asyncio.run(interleaved())
    assert [page["front-lines"]["sha256"] for page in pages] == [sha256(picture) for picture in pictures]


@pytest.fixture(scope="module")
def four_cards(empty_home, tmp_path_factory):
    """Four imported cards without labels, in the order of their names."""
    import_cards(empty_home.database, write_cards(tmp_path_factory.mktemp("four"), [None] * 4))
    with empty_home.database.reading() as session:
        return sorted(cards.all_cards(session), key=lambda card: card.name)


def label_of(home, card):
    with home.database.reading() as session:
        current = labels.current_label(session, card_id=card.id)
        return None if current is None else current.grade


def test_two_pages_that_label_in_turn_label_and_undo_what_each_shows(served, four_cards):
    [desk] = [block for block in served.page.blocks.values() if getattr(block, "elem_id", None) == "label-desk"]
    shown = {card["id"]: card for card in desk.queue_cards({"ids": [card.id for card in four_cards[:2]]})["cards"]}
    numbers = {"first": 0, "second": 0}

    def act(page, kind, card=None, grade=None):
        numbers[page] += 1
        known = {"key": shown[card.id]["key"], "last_event": shown[card.id]["last_event"]} if card else {}
        act = {"kind": kind, "number": numbers[page], "grade": grade, **known}
        return desk.label_acts({"page": page, "acts": [act]})["answers"][0]["message"]

    one, two = four_cards[:2]
    act("first", "label", one, 9)
    act("second", "label", one, 7)
    act("first", "label", two, 8)
    assert [label_of(served.home, card) for card in (one, two)] == [7, 8]
    act("second", "undo")
    assert [label_of(served.home, card) for card in (one, two)] == [9, 8]
    act("first", "undo")
    assert [label_of(served.home, card) for card in (one, two)] == [9, None]
    assert "another page" in act("first", "undo")
    assert label_of(served.home, one) == 9


def collected(home, number):
    """Put a card into the collection."""
    with home.database.writing() as session:
        row = row_factory.add_picture(
            session, path=f"/nowhere/{number}.png", sha256=f"{number:064d}", width=60, height=84, phash="0" * 16
        )
        card = row_factory.add_card(session, name=f"collected {number}", front_id=row.id)
        collection.add_grading(session, card_id=card.id, model_name="m", model_sha256="0" * 64, report=report(9))
        return card.id


def binned(home):
    with home.database.reading() as session:
        return card_bin.cards_in_bin(session)


def test_a_page_moves_and_deletes_the_cards_that_it_shows_and_none_that_another_page_added(served):
    listed = collected(served.home, 1)
    first, second = (OpenPage(served.page, name) for name in ("fifth", "sixth"))
    for page in (first, second):
        page.do("collection-search", "change")
    added = collected(served.home, 2)
    first.do("delete-shown", "click")
    assert binned(served.home) == [listed]
    with served.home.database.writing() as session:
        card_bin.move_to_bin(session, card_ids=[added])
    first.do("empty-bin", "click")
    assert binned(served.home) == [added], "it was moved to the bin on another page after this one was shown"
    second.do("delete-shown", "click")
    assert binned(served.home) == [added]


def test_a_page_whose_batch_was_deleted_on_another_page_names_the_batch_that_it_shows(served):
    first, second = (
        create_batch(served.home.data, lambda _: [BatchCard("a", error="no")], source=name) for name in ("old", "new")
    )
    page = OpenPage(served.page, "seventh")
    page.send(handler(served.page, "BatchTab.fill"))
    assert page["batch-chosen"] == second.name
    delete_batch(second)
    page.send(handler(served.page, "BatchTab.poll"))
    assert page["batch-chosen"] == first.name
