"""Dropped files lie in their folders, whatever names the page sends, and nowhere else."""

import pytest

from app.labels.card_imports import CardImports
from app.screens.import_drop import import_drop
from app.screens.private_paths import PrivatePaths
from app.settings import ServerOptions


@pytest.fixture
def drop(data_home):
    imports = CardImports(data_home.database, data_home.data)
    component = import_drop(imports, data_home.data, ServerOptions(), PrivatePaths((data_home.data.root,)))
    data_home.data.uploads.mkdir(parents=True, exist_ok=True)
    return component, imports


def upload(home, content=b"x"):
    path = home.data.uploads / "0.png"
    path.write_bytes(content)
    return str(path)


def test_files_are_moved_to_their_places_and_a_cancelled_upload_is_deleted(data_home, drop):
    component, imports = drop
    name = component.stage_files({"files": [{"path": upload(data_home, b"1"), "name": "box/psa9/a.png"}]})["name"]
    component.stage_files({"name": name, "files": [{"path": upload(data_home, b"2"), "name": "box\\b.png"}]})
    folder = imports.uploads(name)
    assert [(folder / path).read_bytes() for path in ("box/psa9/a.png", "box/b.png")] == [b"1", b"2"]
    assert list(data_home.data.uploads.iterdir()) == []
    assert component.discard_upload({"name": name}) == {}
    assert not folder.exists()


@pytest.mark.parametrize(
    "name", ["../a.png", "/etc/a.png", "a/../../b.png", "", "C:/a.png", "a\0b", "x" * 300, "a/" * 40]
)
def test_a_name_that_leads_out_of_the_upload_is_refused(data_home, drop, name):
    component, _ = drop
    answer = component.stage_files({"files": [{"path": upload(data_home), "name": name}]})
    assert "is no name of a file in a folder" in answer["problem"]
    assert not data_home.data.pictures.exists()


@pytest.mark.parametrize("path", ["/etc/passwd", "loupe.db", "../loupe.db"])
def test_only_uploaded_files_are_taken(data_home, drop, path):
    component, _ = drop
    answer = component.stage_files({"files": [{"path": path, "name": "a.png"}]})
    assert "is not an uploaded file" in answer["problem"]


@pytest.mark.parametrize("value", [None, 3, {"files": "x"}, {"name": "n" * 99}, {"files": [{"path": 1}]}])
def test_a_value_that_is_no_upload_is_refused(drop, value):
    assert drop[0].stage_files(value)["unusable"]


def test_nothing_is_added_to_an_import_that_is_recorded_or_unknown(data_home, drop, picture, tmp_path):
    component, imports = drop
    picture("in/a.png")
    for name in (imports.add_path(tmp_path / "in"), "import-0099", "../x"):
        answer = component.stage_files({"name": name, "files": [{"path": upload(data_home), "name": "a.png"}]})
        assert "not there any more" in answer["problem"]
