"""No value that a browser can send breaks a handler: it is used, or refused in one sentence."""

import asyncio
import itertools
from pathlib import Path

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from app.settings import ServerOptions
from tests.app.screens.conftest import mounted

FILE = {"meta": {"_type": "gradio.FileData"}}
ODD_VALUES = [
    None,
    "",
    "text",
    "a\0b",
    "é" * 300,
    True,
    0,
    -1,
    2**70,
    1e308,
    float("nan"),
    [],
    [[None, {}]],
    {},
    {"front": {"path": []}},
    {"path": None, **FILE},
    {"path": 7, **FILE},
]
REQUEST = gr.Request(client={"host": "127.0.0.1", "port": 50000}, headers={})


@pytest.fixture(scope="module")
def page(empty_home):
    return mounted(empty_home, ServerOptions()).page


class Session:
    """One browser's events, sent as the queue receives them."""

    def __init__(self, page):
        self._page, self._state = page, SessionState(page)

    async def refusal(self, event, values) -> str:
        """Send an event to its end: the message of its refusal, or "". Any other exception propagates."""
        try:
            output = await self._page.process_api(event, list(values), self._state, REQUEST)
            while output["is_generating"]:
                output = await self._page.process_api(event, [], self._state, REQUEST, iterator=output["iterator"])
        except gr.Error as error:
            assert not error.print_exception, "no traceback in the terminal"
            return str(error.message)
        return ""

    def refusals(self, events) -> list[str]:
        """The refusals of events, each given with its values."""

        async def all_refusals() -> list[str]:
            return [await self.refusal(event, values) for event, values in events]

        return asyncio.run(all_refusals())


def events_of(page):
    """One event of each handler, and the values that its components have when the page is opened."""
    events = {str(getattr(event.fn, "func", event.fn)): event for event in page.fns.values() if event.fn is not None}
    return [(event, [None if block.stateful else block.value for block in event.inputs]) for event in events.values()]


def replaced(values, index, value):
    return [*values[:index], value, *values[index + 1 :]]


def places_of(page):
    """Each value that a browser sends: its event, the usual values, and the value's position among them."""
    return [
        (event, usual, index)
        for event, usual in events_of(page)
        for index, block in enumerate(event.inputs)
        if not block.stateful
    ]


def test_every_handler_survives_an_odd_value_in_every_place(page):
    places = places_of(page)
    assert len({event for event, _, _ in places}) > 15
    # The forms of the Train tab have about sixty fields each, which are read alike.
    counts = [4 if len(usual) < 10 else index % 4 == 0 for _, usual, index in places]
    odd_values = itertools.cycle(ODD_VALUES)
    Session(page).refusals(
        (event, replaced(usual, index, odd))
        for (event, usual, index), count in zip(places, counts, strict=True)
        for odd in itertools.islice(odd_values, count)
    )


@pytest.mark.long
def test_every_handler_survives_every_odd_value_in_every_place(page):
    places = itertools.product(places_of(page), ODD_VALUES)
    Session(page).refusals((event, replaced(usual, index, odd)) for (event, usual, index), odd in places)


def test_too_few_values_are_refused(page):
    refusals = Session(page).refusals((event, usual[:-1]) for event, usual in events_of(page) if usual)
    assert {refusal.partition(";")[2] for refusal in refusals} == {" reload the page"}


@pytest.mark.parametrize(
    "path",
    ["/etc/hostname", "{folder}/secret.png", "http://127.0.0.1:9/a.png", "ftp://a/b.png", "data:" + "x" * 10_000],
    ids=lambda path: path[:20],
)
def test_no_value_reads_a_file_of_the_server_or_fetches_a_url(page, tmp_path, path):
    (tmp_path / "secret.png").write_bytes(b"secret")
    file = {"path": path.format(folder=tmp_path), "url": "http://127.0.0.1:9/b.png", **FILE}
    places = [place for place in places_of(page) if isinstance(place[0].inputs[place[2]], gr.File | gr.HTML)]
    assert len(places) > 10
    before = set(Path(page.GRADIO_CACHE).rglob("*"))
    refusals = Session(page).refusals(
        (event, replaced(usual, index, value)) for event, usual, index in places for value in (file, [{"deep": file}])
    )
    assert {refusal.partition(";")[2] for refusal in refusals} == {" reload the page"}
    assert set(Path(page.GRADIO_CACHE).rglob("*")) == before


def test_files_of_the_server_are_named_on_the_command_line_only(page):
    """The initial weights and the teachers of a run are paths, and the page may be open on another machine."""
    [button] = [block for block in page.blocks.values() if getattr(block, "elem_id", None) == "start-run"]
    start = next(event for event, _ in events_of(page) if (button._id, "click") in event.targets)
    values = {block.elem_id: block.value for block in start.inputs}
    changed = [{**values, name: "/etc/hostname"} for name in ("set-pretrained", "set-teachers")]
    weights, teachers, usual = Session(page).refusals((start, each.values()) for each in (*changed, values))
    assert "reload the page" in weights
    assert "teachers are files" in teachers
    assert "teachers" not in usual


def test_an_event_shows_its_state_in_one_place_at_most(page):
    """Gradio lays "Error" over every output of an event that failed, and takes the clicks there."""
    for event in page.fns.values():
        places = event.outputs if event.show_progress_on is None else event.show_progress_on
        assert event.show_progress == "hidden" or len(places) <= 1, event.name


@pytest.mark.parametrize(
    "request_from",
    [
        gr.Request(client={"host": "192.0.2.7", "port": 1}, headers={}),
        gr.Request(client={"host": "127.0.0.1", "port": 1}, headers={"x-forwarded-for": "192.0.2.7"}),
    ],
)
def test_a_path_is_imported_only_from_this_machine(page, tmp_path, request_from):
    [button] = [block for block in page.blocks.values() if getattr(block, "elem_id", None) == "import-start"]
    event = next(event for event, _ in events_of(page) if (button._id, "click") in event.targets)
    values = [block.value for block in event.inputs]
    for request, expected in ((request_from, "only in a browser on the machine"), (REQUEST, "Not imported")):
        output = asyncio.run(page.process_api(event, [str(tmp_path), *values[1:]], SessionState(page), request))
        assert expected in output["data"][0]
