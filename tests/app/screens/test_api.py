"""The named API: which endpoints there are, what they take and return, and one sentence for bad input."""

import asyncio
import base64
import json
import shutil
from urllib.parse import quote

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from app.batch.batch import Batch
from app.runs.jobs import Jobs
from app.settings import ServerOptions
from db import labels
from db.session import Database
from tests.app.screens.conftest import mounted
from tests.card_factory import write_cards
from tests.db.row_factory import card_by_name

NAMES = {"/grade", "/grade_batch", "/label", "/queue", "/import_cards", "/start_run", "/run", "/stop_run", "/health"}
NAMES |= {"/models", "/promote"}
LOCAL = gr.Request(client={"host": "127.0.0.1", "port": 50000}, headers={})
REMOTE = gr.Request(client={"host": "192.168.1.9", "port": 50000}, headers={})


@pytest.fixture(scope="module")
def page(empty_home):
    return mounted(empty_home, ServerOptions()).page


def call(page, name, *values, request=LOCAL):
    """The result of an endpoint, as a client gets it."""
    [event] = [event for event in page.fns.values() if event.api_name == name]

    async def answer():
        return await page.process_api(event, list(values), SessionState(page), request)

    [result] = asyncio.run(answer())["data"]
    return json.loads(json.dumps(result, allow_nan=False))


def refusal(page, name, *values, request=LOCAL) -> str:
    with pytest.raises(gr.Error) as error:
        call(page, name, *values, request=request)
    assert not error.value.print_exception
    return str(error.value.message)


@pytest.fixture(scope="module")
def uploaded(empty_home, tmp_path_factory):
    """Upload a file as a client does: put it into the upload folder and name it."""

    def upload(path):
        target = empty_home.data.uploads / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
        return {"path": str(target), "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}

    return upload


def test_the_api_has_its_endpoints_and_every_other_event_is_private(page):
    assert set(page.get_api_info()["named_endpoints"]) == NAMES
    assert page.get_api_info(all_endpoints=True)["unnamed_endpoints"] == {}
    public = {event.api_name for event in page.fns.values() if event.api_visibility != "private"}
    assert public == {name.removeprefix("/") for name in NAMES}


def test_cards_are_imported_labelled_and_counted(page, empty_home, tmp_path):
    manifest = write_cards(tmp_path / "cards", [9, 8])
    result = call(page, "import_cards", str(manifest), False)
    assert result == {"added": 2, "known": 0, "refused": [], "changed_labels": 0}
    with Database.open(empty_home.data.database) as database, database.reading() as session:
        card = card_by_name(session, name="card-000")
        assert card is not None
    assert call(page, "label", card.name, "8,5", "oc") == {"card_id": card.name, "grade": 8.5, "qualifier": "OC"}
    assert call(page, "label", card.name, 7, "") == {"card_id": card.name, "grade": 7.0, "qualifier": None}
    with empty_home.database.reading() as session:
        assert labels.current_label(session, card_id=card.id).grade == 7
    health = call(page, "health")
    assert (health["status"], health["cards"], health["runs"]) == ("ok", 2, 0)


def test_a_card_without_a_model_is_measured_as_by_the_command(page, uploaded, tmp_path):
    manifest = write_cards(tmp_path / "cards", [9])
    front, back = (uploaded(manifest.parent / f"card-000_{side}.png") for side in ("front", "back"))
    result = call(page, "grade", front, back, "")
    assert (result["grade"], result["abstained"], result["model"]) == (None, True, None)
    assert {result[side]["kind"] for side in ("front", "back")} <= {"photo", "scan", "slab"}
    assert call(page, "grade", front, None, "")["back"] is None


def test_a_picture_is_given_as_text_too_by_the_address_of_an_upload_or_as_a_data_url(
    page, uploaded, tmp_path, monkeypatch
):
    monkeypatch.setattr("app.commands.grade.grade_pair", lambda data, front, back, options: {"is": front.read_text()})
    picture = tmp_path / "a picture.jpg"
    picture.write_text("a picture")
    file = uploaded(picture)
    content = base64.b64encode(b"a picture").decode()
    address = f"http://127.0.0.1:7860/gradio_api/file={quote(file['path'])}"
    for value in (file, address, f"data:image/jpeg;base64,{content}"):
        assert call(page, "grade", value, None, "") == {"is": "a picture"}
    for text in (f"data:image/png,{content}", "data:image/png;base64,???", "data:", "data:image/png;base64,"):
        assert "the front is a data: URL without a file" in refusal(page, "grade", text, None, "")
    for text in ("http://127.0.0.1:7860/gradio_api/file=/etc/passwd", "https://example.com/front.jpg", "http://[a/b"):
        assert "the front is not an uploaded file" in refusal(page, "grade", text, None, "")


def test_bad_input_gets_one_sentence(page, uploaded, tmp_path):
    note = tmp_path / "note.jpg"
    note.write_text("no picture", encoding="utf-8")
    front = uploaded(note)
    assert "note.jpg: " in refusal(page, "grade", front, None, "")
    assert refusal(page, "grade", None, None, "") == "the front is missing; upload a picture of it"
    for odd in ("/etc/passwd", 7, {"path": "/etc/passwd"}, {"path": None}, {"path": str(note)}, {}, "a\0b"):
        assert "the front is not an uploaded file; upload it first" in refusal(page, "grade", odd, None, "")
    assert "the model '/tmp/model.pt' is not known here" in refusal(page, "grade", front, None, "/tmp/model.pt")
    assert "there is no card 'nobody'" in refusal(page, "label", "nobody", "9", "")
    for odd in (None, [], "front.jpg", {}):
        assert "the files are missing" in refusal(page, "grade_batch", odd, "")
    assert "file 2 is not an uploaded file" in refusal(page, "grade_batch", [front, "/etc/passwd"], "")
    assert "the model 7 is not known here" in refusal(page, "grade_batch", [front], 7)
    assert "grade '11' is not on the PSA scale" in refusal(page, "label", "nobody", 11, "")
    assert "grade is [9]; give a text" in refusal(page, "label", "nobody", [9], "")
    assert "from a client on the machine" in refusal(page, "import_cards", "/", False, request=REMOTE)
    assert "the path is empty" in refusal(page, "import_cards", "", False)
    assert "/nowhere" in refusal(page, "import_cards", "/nowhere", False)
    for odd in (99, -1, 2**70, True, "1", None, 1.5):
        assert f"there is no run {odd!r}" in refusal(page, "run", odd)
        assert f"there is no run {odd!r}" in refusal(page, "stop_run", odd)
    assert "epoch" in refusal(page, "start_run", "baseline", {"epochz": 3}, "")
    assert "settings are [1]" in refusal(page, "start_run", "baseline", [1], "")
    assert "nothing" in refusal(page, "start_run", "nothing", None, "")


def test_a_batch_of_uploads_is_answered_when_its_process_has_graded_every_card(
    page, empty_home, uploaded, tmp_path, monkeypatch
):
    files = [uploaded(path) for path in sorted(write_cards(tmp_path / "cards", [9, 8]).parent.glob("*.png"))]

    def grade(words, log):
        """In place of the process: one card is graded, the other refused."""
        batch = Batch(empty_home.data.batches / words[2])
        log.touch()
        batch.graded(0, ".json").write_text(json.dumps({"card_id": batch.cards[0].card_id, "grade": 9}))
        batch.rows_file.append(
            [
                {"number": 1, "card_id": batch.cards[1].card_id, "error": "too dark"},
                {"number": 0, "card_id": batch.cards[0].card_id},
            ]
        )

    monkeypatch.setattr(Jobs, "start_process", lambda self, words, log: grade(words, log))
    answer = call(page, "grade_batch", files, "")
    assert answer == [{"card_id": "card-000", "grade": 9}, {"card_id": "card-001", "error": "too dark"}]


def test_models_are_listed_and_what_is_no_run_is_not_promoted(page, tmp_path):
    listed = call(page, "models")
    assert (listed["name"], listed["sha256"], listed["since"], listed["by"]) == (None, None, None, None)
    assert (listed["history"], listed["candidates"]) == ([], [])
    (tmp_path / "model.pt").write_bytes(b"a file of the server")
    for name in (str(tmp_path / "model.pt"), "current", "", "-1", None, 10**30):
        assert "give the number of a run" in refusal(page, "promote", name, "")
    assert "there is no run 7" in refusal(page, "promote", 7, "please")
    assert "ships no starter" in refusal(page, "promote", "starter", "please")
