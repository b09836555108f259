"""An import in the browser: previewed before anything is written, stopped, resumed, and reported file by file."""

import csv
import shutil
import zipfile

import pytest

from app.labels import card_imports, import_text
from app.labels.card_imports import CardImports
from app.settings import UserError
from db.labels import add_label
from engine.cards.pairs import Refused
from labeling.discover import ImportRefused
from tests.browser.conftest import wait_for


def no_progress(*_):
    pass


@pytest.fixture
def imports(data_home):
    return CardImports(data_home.database, data_home.data)


def cards_of(home):
    with home.database.reading() as session:
        return [card.name for card in card_imports.cards.all_cards(session)]


def finished(imports, name, **options):
    """Start an import, wait until it has ended, and return its status."""
    imports.start(name, **options)
    wait_for(lambda: imports.status(name).state != "running", "the import to end")
    return imports.status(name)


def text_of(imports, name, **options):
    status = finished(imports, name, **options)
    return import_text.result_text(status.record, status.progress)


def report_of(imports, name):
    with imports.report(name).open(encoding="utf-8-sig", newline="") as file:
        return {row["file"]: (row["card_id"], row["side"], row["result"]) for row in csv.DictReader(file)}


def uploaded(imports, *files, title="shoebox"):
    """Import of files, (path within the upload, file here), that lie in the folder of uploads."""
    name = imports.new_folder()
    for relative, path in files:
        target = imports.open_uploads(name) / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    left_out = [Refused("huge.tif", "has 90 MB, more than 64 MB; save it smaller")]
    imports.add_upload(name, title, left_out=left_out, max_bytes=100_000, unpacking=no_progress)
    return name


def test_a_preview_counts_everything_and_writes_nothing(data_home, imports, picture, tmp_path):
    for number, grade in enumerate((9, 9, 3)):
        picture(f"in/psa{grade}/{number}_front.png", seed=number)
        picture(f"in/psa{grade}/{number}_back.png", seed=100 + number)
    picture("in/psa3/alone.png", seed=7)
    (tmp_path / "in/psa3/<i>{{x}}.doc").write_text("x")
    name = imports.add_path(tmp_path / "in")
    record, preview = imports.preview(name, "left out", no_progress)
    assert (preview.layout, len(preview.cards), preview.known) == ("grade folders", 4, 0)
    assert preview.sides == {"both": 3, "front": 1}
    assert preview.grades == {9.0: 2, 3.0: 2}
    html = import_text.preview_html(record, preview)
    assert "<strong>4 cards</strong>: 3 with front and back, 1 with the front alone" in html
    assert html.count("<img ") == 6, "three pairs with both pictures"
    assert "&lt;i&gt;&#123;&#123;x}}.doc: is not a picture" in html
    assert cards_of(data_home) == []
    assert imports.current() is None, "a preview is no import to resume"
    imports.discard(name)
    assert list(data_home.data.imports.iterdir()) == []


def test_a_table_is_shown_with_what_its_columns_are_taken_for(imports, picture, tmp_path):
    picture("in/a.png", seed=1)
    (tmp_path / "in/list.csv").write_text("Card ID;front;GRADE;shelf\na;a.png;8;3\nb;gone.png;9;4\n")
    name = imports.add_path(tmp_path / "in/list.csv")
    record, preview = imports.preview(name, "left out", no_progress)
    known = [("Card ID", "card_id"), ("front", "front"), ("GRADE", "grade"), ("shelf", "")]
    assert (preview.layout, preview.separator, preview.columns) == ("table", ";", known)
    assert [item.path for item in preview.refused] == [str(tmp_path / "in/gone.png")]
    html = import_text.preview_html(record, preview)
    assert "separated by semicolons" in html
    assert "<td>shelf</td><td><em>not used</em></td>" in html


def test_the_question_about_endings_is_answered_either_way(data_home, imports, picture, tmp_path):
    picture("in/x.png", seed=1)
    picture("in/x_b.png", seed=2)
    name = imports.add_path(tmp_path / "in")
    _, open_question = imports.preview(name, "left out", no_progress)
    assert (open_question.unclear, len(open_question.cards)) == (1, 1)
    assert "1 picture is named like the back of another one" in import_text.question_text(open_question)
    assert imports.preview(name, "back", no_progress)[1].sides == {"both": 1}
    assert imports.preview(name, "card", no_progress)[1].sides == {"front": 2}
    assert finished(imports, name).progress.added == 2
    assert cards_of(data_home) == ["x", "x_b"]


def test_labels_that_differ_from_a_person_s_are_shown_and_taken_if_wished(data_home, imports, picture, tmp_path):
    picture("in/a.png", seed=1)
    table = tmp_path / "in" / "labels.csv"
    table.write_text("card_id,front,Grade,<b>x</b>\na,a.png,8,\n")
    text = text_of(imports, imports.add_path(tmp_path / "in"), labels_win=False)
    assert text.startswith("**1 cards added, 0 already imported, 0 refused.**")
    assert "<b>" not in text.replace("\\<", "")
    with data_home.database.writing() as session:
        add_label(session, card_id=1, grade=5, source="person")
    table.write_text("card_id,front,grade\na,a.png,9\n")
    name = imports.add_path(table)
    record, preview = imports.preview(name, "left out", no_progress)
    assert preview.known == 1
    assert "a: 9 Mint in the import, 5 Excellent here" in import_text.preview_html(record, preview)
    text = text_of(imports, name, labels_win=False)
    assert "1 label differs from what a person has said since" in text
    assert import_text.LABELS_WIN in text
    assert "the imported label now applies" in text_of(imports, imports.add_path(table), labels_win=True)


def test_a_stopped_import_goes_on_where_it_was_also_after_a_restart(data_home, imports, picture, tmp_path, monkeypatch):
    monkeypatch.setattr("labeling.import_cards.BATCH_CARDS", 2)
    for number in range(12):
        picture(f"in/{number:02d}.png", seed=number)
    name = imports.add_path(tmp_path / "in")
    results = card_imports._Pass.results

    def stop_after_four(self, recorded, refused):
        results(self, recorded, refused)
        if self.counts.added == 4:
            imports.stop(name)

    with monkeypatch.context() as stopping:
        stopping.setattr(card_imports._Pass, "results", stop_after_four)
        status = finished(imports, name, labels_win=False)
    stopped_after = len(cards_of(data_home))
    assert (status.state, status.progress.added) == ("unfinished", stopped_after)
    assert 4 <= stopped_after < 12
    restarted = CardImports(data_home.database, data_home.data)
    assert restarted.current() == restarted.status(name)
    running = card_imports.ImportStatus(status.record, "running", status.progress)
    assert f"{status.progress.done} of 12 cards" in import_text.progress_html(running)
    assert f'<progress max="12" value="{status.progress.done}"' in import_text.progress_html(running)
    assert "is not read in again" in import_text.progress_html(restarted.status(name))
    decoded = []
    load = card_imports.import_source.__globals__["load_picture_file"]

    def noting(path, **options):
        file = load(path, **options)
        decoded.extend([path.name] if file.content else [])
        return file

    monkeypatch.setattr("labeling.import_cards.load_picture_file", noting)
    status = finished(restarted, name)
    assert status.state == "finished"
    assert (status.progress.added, status.progress.earlier) == (12 - stopped_after, stopped_after)
    assert len(decoded) == 12 - stopped_after, "what was in was decoded again"
    assert restarted.current() is None
    assert f"{stopped_after} cards of the known ones" in import_text.result_text(status.record, status.progress)


def test_an_upload_is_imported_from_its_own_folder_and_every_file_is_reported(data_home, imports, picture, tmp_path):
    good, back = picture("1.png", seed=1), picture("2.png", seed=2)
    (tmp_path / "bad.png").write_text("no picture")
    name = uploaded(
        imports,
        ("shoebox/psa9/good_front.png", good),
        ("shoebox/psa9/good_back.png", back),
        ("shoebox/psa9/half_front.png", tmp_path / "bad.png"),
        ("shoebox/psa9/half_back.png", picture("3.png", seed=3)),
    )
    finished(imports, name, labels_win=False)
    assert cards_of(data_home) == ["psa9/good"]
    assert report_of(imports, name) == {
        "huge.tif": ("", "", "left out"),
        "psa9/good_front.png": ("psa9/good", "front", "imported"),
        "psa9/good_back.png": ("psa9/good", "back", "imported"),
        "psa9/half_front.png": ("psa9/half", "", "left out"),
        "psa9/half_back.png": ("psa9/half", "", "left out"),
    }
    kept = sorted(path.name for path in data_home.data.pictures.rglob("*") if path.is_file())
    assert kept == ["good_back.png", "good_front.png"], "what no card has is deleted"


def test_an_uploaded_table_names_no_other_file_of_this_machine(data_home, imports, picture, tmp_path):
    secret = picture("secret.png", seed=1)
    (tmp_path / "list.csv").write_text(f"card_id,front\na,{secret}\nb,b.png\nc,../../../secret.png\n")
    name = uploaded(imports, ("list.csv", tmp_path / "list.csv"), ("b.png", picture("b.png", seed=2)))
    _, preview = imports.preview(name, "left out", no_progress)
    assert [pair.card_id for pair in preview.cards] == ["b"]
    assert sum("was not uploaded" in item.reason for item in preview.refused) == 2
    finished(imports, name, labels_win=False)
    assert cards_of(data_home) == ["b"]


def test_a_zip_file_is_unpacked_and_a_cancelled_upload_leaves_nothing(data_home, imports, picture, tmp_path):
    with zipfile.ZipFile(tmp_path / "cards.zip", "w") as archive:
        archive.write(picture("1.png", seed=1), "box/psa4/a.png")
        archive.writestr("box/psa4/b.png", bytes(200_000))
    name = uploaded(imports, ("cards.zip", tmp_path / "cards.zip"))
    _, preview = imports.preview(name, "left out", no_progress)
    assert [(pair.card_id, pair.grade) for pair in preview.cards] == [("psa4/a", 4.0)]
    assert [item.path for item in preview.refused] == ["huge.tif", "psa4/b.png"]
    imports.forget_preview(name)
    assert not imports.uploads(name).exists()
    with pytest.raises(UserError, match="not there any more"):
        imports.start(name)


def test_what_holds_no_card_is_refused_and_a_name_of_another_folder_too(imports, tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(ImportRefused, match="holds no cards"):
        imports.preview(imports.add_path(tmp_path / "in"), "left out", no_progress)
    for name in ("../../etc", "", "import-0001/../x"):
        with pytest.raises(UserError):
            imports.status(name)
