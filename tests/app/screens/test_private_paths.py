"""No text for a browser or a client has a path of the server: files are named as their user named them."""

import asyncio
import json
import zipfile
from pathlib import Path

import gradio as gr
import pytest
from gradio.context import LocalContext
from gradio.state_holder import SessionState

from app.batch.sources import batch_from_files
from app.screens.checked_blocks import PROGRAM_ERROR, CheckedBlocks
from app.screens.error_messages import show_user_errors
from app.screens.private_paths import PrivatePaths
from app.settings import ServerOptions, UserError
from labeling.import_cards import import_cards
from tests.app.screens.conftest import mounted
from tests.app.screens.test_api import LOCAL, REMOTE

ROOT = "/home/ann_b/my data"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{}/uploads/3f9a/my card.png: no card found", "my card.png: no card found"),
        ("the disk is full: {}/loupe.db could not be written", "the disk is full: loupe.db could not be written"),
        ("{} and {}/batches/batch-0001/pictures: two", "my data and pictures: two"),
        (r"Not saved: {}/uploads/3f9a/a\_b.png", r"Not saved: a\_b.png"),
        ("<td>{}/uploads/3f9a/a.png</td>", "<td>a.png</td>"),
        ("{}base/x and /mnt{}/x stay", "{}base/x and /mnt{}/x stay"),
        (
            "front 58/42, 1/2 of /grade_batch, https://a.example/b/c",
            "front 58/42, 1/2 of /grade_batch, https://a.example/b/c",
        ),
    ],
)
def test_the_name_of_a_file_stands_in_place_of_its_path(tmp_path, text, shown):
    root = tmp_path / ROOT.lstrip("/")
    paths = PrivatePaths([root])
    assert paths.hide(text.format(root, root), is_local=True) == shown.format(root, root)


def test_a_path_that_is_escaped_is_hidden_too():
    paths = PrivatePaths([Path("/srv/a_&_b*c")])
    assert paths.hide(r"/srv/a_\&_b\*c/x.png", is_local=True) == "x.png"
    assert paths.hide("/srv/a_&amp;_b*c/x.png", is_local=True) == "x.png"


def test_only_a_reader_at_this_machine_sees_where_the_owner_s_files_are():
    paths = PrivatePaths([])
    text = 'the picture /home/ann/cards/a.png is missing; "/home/ann/x y.png" too'
    assert paths.hide(text, is_local=True) == text
    assert paths.hide(text, is_local=False) == 'the picture a.png is missing; "x y.png" too'
    picture = '<img src="data:image/jpeg;base64,/9j/4AAQ/a+/b/c=">'
    assert paths.hide(picture, is_local=False) == picture


def answers(folder, handler, components, request=LOCAL):
    """The values that a page gets from a handler."""

    async def handled():
        with CheckedBlocks(private_folders=[folder]) as page:
            outputs = [component() for component in components]
            event = gr.Button().click(handler, None, outputs)
        [function] = [fn for fn in page.fns.values() if fn.targets[0][0] == event["targets"][0][0]]
        return (await page.process_api(function, [], SessionState(page), request))["data"]

    return asyncio.run(handled())


def test_whatever_a_handler_shows_has_no_path_of_the_data_folder(tmp_path):
    sentence = f"{tmp_path}/uploads/3f9a/a.png: no card"
    values = [sentence, sentence, sentence, {"problem": sentence}, gr.update(value=sentence, visible=True)]
    shown = answers(tmp_path, lambda: values, [gr.Markdown, gr.HTML, gr.Textbox, gr.HTML, gr.Markdown])
    assert str(tmp_path) not in json.dumps(shown)
    assert json.dumps(shown).count("a.png: no card") == 5


@pytest.mark.parametrize("kind", [UserError, KeyError])
def test_no_error_shows_a_path_of_the_data_folder(tmp_path, kind):
    @show_user_errors
    def handler():
        raise kind(f"{tmp_path}/loupe.db cannot be read")

    with pytest.raises(gr.Error) as error:
        answers(tmp_path, handler, [gr.Markdown])
    assert error.value.message == ("loupe.db cannot be read" if kind is UserError else PROGRAM_ERROR)


def zipped(path, names):
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, b"\xff\xd8\xff" if name.endswith(".jpg") else b"text")
    return path


def test_a_zip_without_cards_is_named_as_it_was_uploaded(data_home, tmp_path):
    with pytest.raises(UserError, match=r"^empty\.zip: holds no cards; give a folder with pictures"):
        batch_from_files(data_home.data, [zipped(tmp_path / "empty.zip", [])])
    assert not list(data_home.data.batches.iterdir())


def test_what_is_refused_of_a_zip_is_named_as_it_is_there(data_home, tmp_path):
    names = ["a_front.jpg", "notes.pdf", "more/deep/b_front.jpg"]
    cards = batch_from_files(data_home.data, [zipped(tmp_path / "cards.zip", names)]).cards
    errors = {card.error.partition(": ")[0] for card in cards if card.error}
    assert errors == {"notes.pdf", "more"}


def test_a_missing_picture_is_named_without_its_folder_on_another_machine(data_home, picture, tmp_path_factory):
    front = picture(str(tmp_path_factory.mktemp("cards") / "a_front.png"))  # not in the data folder
    import_cards(data_home.database, front.parent)
    front.unlink()
    page = mounted(data_home, ServerOptions()).page
    [desk] = [block for block in page.blocks.values() if getattr(block, "elem_id", None) == "label-desk"]
    problems = []
    for request in (LOCAL, REMOTE):
        LocalContext.request.set(request)
        [card] = desk.queue_cards({"ids": [1]})["cards"]
        problems.append(card["problems"][0])
    LocalContext.request.set(None)
    assert f"{front} is missing" in problems[0]
    assert "the picture a_front.png is missing" in problems[1]


@pytest.mark.parametrize("names", [["a", "a/b_front.jpg"], ["x" * 300 + "_front.jpg"]])
def test_a_zip_whose_files_cannot_exist_beside_each_other_is_refused_by_its_name(data_home, tmp_path, names):
    with pytest.raises(
        UserError, match=r"^odd\.zip: cannot be unpacked \([A-Z][a-z ]+\); pack the pictures in one folder$"
    ):
        batch_from_files(data_home.data, [zipped(tmp_path / "odd.zip", names)])
