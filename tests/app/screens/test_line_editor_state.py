"""Line editor: the value sent to the browser, the edited value sent back, and saved corrections."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

from app.grading.line_corrections import current_corrections, load_corrections
from app.labels.keep_card import keep_card
from app.screens.line_editor_sides import HANDLE_FRACTIONS, editor_state, editor_states, save
from app.screens.line_editor_state import LineEditorState, numbers_of_lines, required, state_from_page
from app.settings import UserError
from db.schema import LinesEvent
from engine.image.card_coordinates import apply_homography, millimeters_to_picture
from engine.inference.card_side import CardSide
from engine.inference.grade_card import grade_card
from engine.measure.centering.centering import BadLines
from engine.storage.file_hash import sha256
from tests.app.card_factory import GROUND_MM, PX_PER_MM, SIZE_MM, card_quad, picture_of_card, side_of
from tests.card_factory import card_picture
from tests.commands import call

PICTURE = "c" * 64


@pytest.fixture(scope="module")
def front_side() -> CardSide:
    return side_of(picture_of_card(3.5, 2.5, 3.0, 3.0), sha256=PICTURE)


@pytest.fixture
def value(front_side, data_home):
    """The front as the browser gets it."""
    [front, back] = editor_states({"front": front_side, "back": None}, data_home.data)
    assert back is None
    return front.model_dump(mode="json")


def moved(value, kind: str, side: int, by_mm: float, ends=(0, 1)):
    """The value after a line was dragged, as line_editor.js makes it: top and bottom lines in y, the others in x."""
    value, axis = copy.deepcopy(value), 0 if side % 2 else 1
    for end in ends:
        value[kind][side][end][axis] += by_mm
    return {**value, "by_hand": True, "unsaved": True}


def state(value) -> LineEditorState:
    return required(state_from_page(value))


def test_the_browser_gets_a_picture_of_the_card_with_its_scale(value):
    with Image.open(value["picture"]["path"]) as picture:
        across, down = np.array(picture.size) / value["px_per_mm"]
    assert (across, down) == pytest.approx(
        (value["width_mm"] + 2 * value["margin_mm"][0], value["height_mm"] + 2 * value["margin_mm"][1])
    )
    assert value["px_per_mm"] == pytest.approx(PX_PER_MM, rel=0.01)


def test_handles_are_far_enough_apart_for_a_finger(value):
    for kind, fractions in HANDLE_FRACTIONS.items():
        for side in range(4):
            along = sorted(point[side % 2] / SIZE_MM[side % 2] for point in value[kind][side])
            assert along == pytest.approx(fractions, abs=1e-3)


def test_numbers_follow_a_line_that_was_dragged(value):
    """Drawn 3.5 and 2.5 mm: 58.3/41.7. Half a millimeter off the left border leaves 3.0 and 2.5: 54.5/45.5."""
    before = numbers_of_lines(value)
    assert before.worst == pytest.approx(58.3, abs=1)
    after = numbers_of_lines(moved(value, "printed", 3, -0.5))
    assert after.worst == pytest.approx(100 * 3.0 / 5.5, abs=1)
    assert after.rows[0].share.startswith("54.")
    assert after.rows[0].allows


def test_a_tilted_line_counts_by_its_worse_end(value):
    """The left line's lower dot, of its two, goes in by 1 mm; the frame's lower corner is at 85 mm."""
    upper, lower = HANDLE_FRACTIONS["printed"]
    tilted = numbers_of_lines(moved(value, "printed", 3, 1.0, ends=(0,)))
    left_mm = 3.5 + (85 / 88 - upper) / (lower - upper)
    assert tilted.worst == pytest.approx(100 * left_mm / (left_mm + 2.5), abs=1)


def test_lines_that_enclose_no_frame_give_a_message_and_no_error(value):
    numbers = numbers_of_lines(moved(moved(value, "printed", 3, -3.5), "printed", 1, 2.5))
    assert (numbers.rows, numbers.worst) == ([], None)
    assert "no border to measure" in numbers.sentence


@pytest.mark.parametrize(
    "broken",
    [
        {"printed": None},
        {"printed": [[[0, 0], [1, 1]]] * 3},
        {"printed": [[[0, "x"], [1, 1]]] * 4},
        {"physical": [[[0, float("nan")], [1, 1]]] * 4},
        {"physical": [[[0, 1e9], [1, 1]]] * 4},
        {"width_mm": -63},
        {"quad": [[0, 0]]},
        {"side": "rim"},
        {"sha256": "../../etc"},
        {"picture_px": None},
    ],
)
def test_incomplete_lines_are_refused_with_a_message(data_home, value, broken):
    with pytest.raises(UserError, match="arrived incomplete"):
        save(data_home.database, state({**moved(value, "printed", 3, 0.1), **broken}))
    assert current_corrections(data_home.database) == {}


@pytest.mark.parametrize("odd", [None, "", "text", 7, [], {}, [[0, 0]], float("inf"), 1e300, "../../etc"])
def test_a_value_with_anything_in_place_of_a_field_is_left_out_or_usable(data_home, value, odd):
    """A browser can send any value, and an empty string for a component that is not on the page."""
    assert state_from_page(odd) is None
    usable = []
    for field in value:
        received = state_from_page({**moved(value, "printed", 3, 0.1), field: odd})
        if received is not None:
            usable.append(field)
            save(data_home.database, received)
    sizes = {"width_mm", "height_mm", "px_per_mm"}
    assert set(usable) <= sizes | {"message", "numbers", "findings", "unread", "unsaved", "is_stored", "by_hand"}


def test_no_address_of_a_picture_is_taken_from_the_browser(value):
    value["picture"]["url"] = "http://localhost:1/other.jpg"
    assert "url" not in state(value).model_dump()["picture"]


def test_lines_that_nobody_moved_are_no_measurement(data_home):
    """A card without a frame: the editor starts with lines 3 mm from each edge, which would be 50/50."""
    borderless = side_of(picture_of_card(0, 0, 0, 0))
    value = editor_state("front", borderless, data_home.data).model_dump(mode="json")
    assert state(value).numbers.worst is None
    assert state(moved(value, "printed", 3, 0.5)).numbers.worst == pytest.approx(100 * 3.5 / 6.5, abs=1)


def test_lines_that_enclose_no_frame_are_not_saved(data_home, value):
    with pytest.raises(BadLines, match="no border to measure"):
        save(data_home.database, state(moved(moved(value, "printed", 3, -3.5), "printed", 1, 2.5)))
    assert current_corrections(data_home.database) == {}


def test_saved_lines_have_the_same_position_in_the_picture_as_on_the_screen(data_home):
    """Detection errs by half a millimeter and the measurement corrects it: saved lines refer to the corrected quad."""
    askew = card_quad() + np.array([(6, -5), (-4, 6), (5, 5), (-6, 4)])
    picture = picture_of_card(3.5, 2.5, 3.0, 3.0)
    shown = editor_state("front", side_of(picture, askew, sha256=PICTURE), data_home.data)
    save(data_home.database, shown.model_copy(update={"by_hand": True}))
    correction = current_corrections(data_home.database)[PICTURE, "front"]
    left = apply_homography(millimeters_to_picture(correction.quad, correction.size), correction.printed[3])
    drawn_at = (GROUND_MM + 3.5) * PX_PER_MM - 0.5
    assert left[:, 0] == pytest.approx([drawn_at, drawn_at], abs=0.1 * PX_PER_MM)
    measured = side_of(picture, askew, correction)
    assert measured.centering.left_mm == pytest.approx(3.5, abs=0.1)


def test_unsaved_lines_stay_when_the_card_is_graded_again(data_home, front_side, value):
    sides, measured = {"front": front_side, "back": None}, state(value)
    edited = state(moved(value, "printed", 3, -0.5))
    assert editor_states(sides, data_home.data, [edited, None]) == [edited, None]
    for replaced in ({"sha256": "d" * 64}, {"unsaved": False}):
        [front, _] = editor_states(sides, data_home.data, [edited.model_copy(update=replaced), None])
        assert front.printed == measured.printed


def test_the_picture_shows_eight_millimeters_around_the_card(value):
    assert value["margin_mm"] == pytest.approx([8, 8], abs=1 / PX_PER_MM)


def test_saved_lines_are_found_again_by_the_bytes_of_their_picture_and_their_side(data_home, value):
    message = save(data_home.database, state(moved(value, "printed", 3, -0.5)))
    assert message.startswith("Corrected by hand on ")
    [(key, correction)] = current_corrections(data_home.database).items()
    assert key == (PICTURE, "front")
    assert correction.printed[3, :, 0] == pytest.approx([3.0, 3.0], abs=0.06)
    assert correction.author


def test_saving_a_reset_restores_the_measured_lines_and_keeps_the_history(data_home, value):
    save(data_home.database, state(moved(value, "printed", 3, -0.5)))
    assert save(data_home.database, state(value)) == "Measured lines restored."
    assert current_corrections(data_home.database) == {}
    with data_home.database.reading() as session:
        history = session.scalars(select(LinesEvent).order_by(LinesEvent.id)).all()
    assert [event.printed is None for event in history] == [False, True]


def test_a_reset_without_a_saved_correction_writes_nothing(data_home, value):
    save(data_home.database, state(value))
    with data_home.database.reading() as session:
        assert session.scalars(select(LinesEvent).order_by(LinesEvent.id)).all() == []


# --- commands, and cards stored for training


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "front.png"
    Image.fromarray(np.repeat(np.repeat(card_picture(8, seed=3, side="front"), 3, axis=0), 3, axis=1)).save(path)
    return path


@pytest.fixture
def saved_correction(data_home, picture):
    """The left frame line of a graded picture dragged by 0.4 mm and saved."""
    [front, _] = editor_states(grade_card(picture, None, None).sides, data_home.data)
    save(data_home.database, state(moved(front.model_dump(mode="json"), "printed", 3, 0.4)))
    return current_corrections(data_home.database)[sha256(picture), "front"]


def test_the_grade_command_uses_saved_lines_and_reports_it(data_home, picture, saved_correction, tmp_path):
    card_report = call("grade", picture, "--data", data_home.data.root, "--out", tmp_path / "out").result
    assert card_report["front"]["centering"]["by_hand"] is True
    assert np.array(card_report["front"]["centering"]["printed"]) == pytest.approx(saved_correction.printed, abs=1e-3)
    assert card_report["front"]["centering"]["corrected_at"].startswith(f"{saved_correction.saved_at:%Y-%m-%d}")
    with Image.open(card_report["front"]["measured"]) as picture_file:
        assert picture_file.format == "PNG"
    elsewhere = call("grade", picture, "--data", tmp_path / "other").result["front"]
    assert elsewhere["centering"] is None or elsewhere["centering"]["by_hand"] is False
    assert not (tmp_path / "other" / "loupe.db").exists(), "grading writes no database"


def test_a_batch_uses_saved_lines(data_home, picture, saved_correction, tmp_path):
    manifest = tmp_path / "cards.csv"
    manifest.write_text(f"card_id,front,back,grade\none,{picture},,\n", encoding="utf-8")
    [card_report] = call("grade", "--batch", manifest, "--data", data_home.data.root).result
    assert card_report["front"]["centering"]["by_hand"] is True


def test_a_stored_card_keeps_its_line_correction_though_its_picture_has_another_hash(
    data_home, picture, saved_correction
):
    assert load_corrections(data_home.data).keys() == {(sha256(picture), "front")}
    for _ in range(2):
        keep_card(data_home.database, data_home.data, picture, None, 8.0)
    [stored] = data_home.data.pictures.glob("*.png")
    corrections = current_corrections(data_home.database)
    assert corrections.keys() == {(sha256(picture), "front"), (sha256(stored), "front")}
    assert np.array_equal(corrections[sha256(stored), "front"].printed, saved_correction.printed)
