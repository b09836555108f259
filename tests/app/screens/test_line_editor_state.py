"""What the browser is told of a side's lines, what it sends back, and how that is kept and found again."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

from app.grading.answer_text import ceiling_text, sides_to_measure_on
from app.grading.grade_card import Graded, Looked, grade_card
from app.grading.line_corrections import corrections, kept_in
from app.grading.measured_side import measure
from app.labels.keep_card import keep_card
from app.screens.line_editor_state import HELD_AT, NOT_SAVED, numbers_of_lines, save
from app.settings import Trouble
from db.schema import LinesEvent
from engine.experiments.run_folder import sha256
from engine.image.card_coordinates import mapped, millimetres_to_picture
from engine.measure.centering.centering import BadLines
from tests.app.card_factory import GROUND_MM, PX_PER_MM, SIZE_MM, card_quad, picture_of_card, view_of
from tests.card_factory import card_picture
from tests.commands import call

PICTURE = "c" * 64


@pytest.fixture(scope="module")
def looked() -> Looked:
    view = view_of(picture_of_card(3.5, 2.5, 3.0, 3.0))
    return Looked(PICTURE, view, measure(view))


@pytest.fixture
def value(looked, own_home):
    """The front as the browser gets it."""
    [front, back] = sides_to_measure_on(Graded({"front": looked, "back": None}), own_home.data)
    assert back is None
    return json.loads(json.dumps(front))  # it must travel


def moved(value, kind: str, side: int, by_mm: float, ends=(0, 1)):
    """The value after a line was dragged: top and bottom lines in y, the others in x."""
    axis = 0 if side % 2 else 1
    for end in ends:
        value[kind][side][end][axis] += by_mm
    return {**value, "by_hand": True}


def test_the_card_comes_to_the_browser_as_a_picture_of_its_own_with_its_scale(value):
    with Image.open(value["picture"]["path"]) as picture:
        across, down = np.array(picture.size) / value["px_per_mm"]
    assert (across, down) == pytest.approx(
        (value["width_mm"] + 2 * value["margin_mm"][0], value["height_mm"] + 2 * value["margin_mm"][1])
    )
    assert value["px_per_mm"] == pytest.approx(PX_PER_MM, rel=0.01)


def test_lines_are_held_apart_so_that_no_finger_takes_two(value):
    for kind, shares in HELD_AT.items():
        for side in range(4):
            along = sorted(point[side % 2] / SIZE_MM[side % 2] for point in value[kind][side])
            assert along == pytest.approx(shares, abs=1e-3)


def test_numbers_follow_a_line_that_was_dragged(value):
    """Drawn 3.5 and 2.5 mm: 58.3/41.7. Half a millimetre off the left border leaves 3.0 and 2.5: 54.5/45.5."""
    before = numbers_of_lines(value)
    assert before["worst"] == pytest.approx(58.3, abs=1)
    after = numbers_of_lines(moved(value, "printed", 3, -0.5))
    assert after["worst"] == pytest.approx(100 * 3.0 / 5.5, abs=1)
    assert after["rows"][0]["share"].startswith("54.")
    assert "allows" in after["rows"][0]


def test_a_tilted_line_counts_by_its_worse_end(value):
    """The left line's lower dot, of its two, goes in by 1 mm; the frame's lower corner lies at 85 mm."""
    upper, lower = HELD_AT["printed"]
    tilted = numbers_of_lines(moved(value, "printed", 3, 1.0, ends=(0,)))
    left_mm = 3.5 + (85 / 88 - upper) / (lower - upper)
    assert tilted["worst"] == pytest.approx(100 * left_mm / (left_mm + 2.5), abs=1)


def test_lines_that_bound_no_frame_are_a_sentence_and_no_error(value):
    said = numbers_of_lines(moved(moved(value, "printed", 3, -3.5), "printed", 1, 2.5))
    assert (said["rows"], said["worst"]) == ([], None)
    assert "no border to measure" in said["sentence"]


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
def test_what_is_no_eight_lines_of_a_picture_is_refused_in_a_sentence(own_home, value, broken):
    with pytest.raises(Trouble, match="did not arrive whole"):
        save(own_home.database, {**moved(value, "printed", 3, 0.1), **broken})
    assert corrections(own_home.database) == {}


def test_lines_that_bound_no_frame_are_not_kept(own_home, value):
    with pytest.raises(BadLines, match="no border to measure"):
        save(own_home.database, moved(moved(value, "printed", 3, -3.5), "printed", 1, 2.5))
    assert corrections(own_home.database) == {}


def test_saved_lines_lie_in_the_picture_where_they_lay_on_the_screen(own_home):
    """The finder errs by half a millimetre, the measurement mends that: what is kept counts from what was shown."""
    askew = card_quad() + np.array([(6, -5), (-4, 6), (5, 5), (-6, 4)])
    picture = picture_of_card(3.5, 2.5, 3.0, 3.0)
    view = view_of(picture, askew)
    looked = Looked(PICTURE, view, measure(view))
    [value, _] = sides_to_measure_on(Graded({"front": looked, "back": None}), own_home.data)
    save(own_home.database, {**value, "by_hand": True})
    kept = corrections(own_home.database)[PICTURE, "front"]
    left = mapped(millimetres_to_picture(kept.quad, kept.size), kept.printed[3])
    drawn_at = (GROUND_MM + 3.5) * PX_PER_MM - 0.5
    assert left[:, 0] == pytest.approx([drawn_at, drawn_at], abs=0.1 * PX_PER_MM)
    shown = measure(view_of(picture, askew), kept)
    assert shown.centering.left_mm == pytest.approx(3.5, abs=0.1)


def test_lines_that_were_moved_and_not_saved_stay_when_the_card_is_graded_again(own_home, looked, value):
    graded, measured = Graded({"front": looked, "back": None}), json.loads(json.dumps(value))
    laid = {**moved(value, "printed", 3, -0.5), "said": NOT_SAVED}
    assert sides_to_measure_on(graded, own_home.data, [laid, None]) == [laid, None]
    other = {**laid, "sha256": "d" * 64}
    [front, _] = sides_to_measure_on(graded, own_home.data, [other, None])
    assert front["printed"] == measured["printed"]


def test_a_person_sees_eight_millimetres_around_the_card_to_drag_its_edges_to(value):
    assert value["margin_mm"] == pytest.approx([8, 8], abs=1 / PX_PER_MM)


def test_saved_lines_are_found_again_by_the_bytes_of_their_picture_and_their_side(own_home, value):
    said = save(own_home.database, moved(value, "printed", 3, -0.5))
    assert said.startswith("Laid by hand on ")
    [(key, kept)] = corrections(own_home.database).items()
    assert key == (PICTURE, "front")
    assert kept.printed[3, :, 0] == pytest.approx([3.0, 3.0], abs=0.06)
    assert kept.author


def test_a_reset_that_is_saved_lets_the_measured_lines_hold_again_and_forgets_nothing(own_home, value):
    save(own_home.database, moved(value, "printed", 3, -0.5))
    assert save(own_home.database, {**value, "by_hand": False}) == "What was measured holds again."
    assert corrections(own_home.database) == {}
    with own_home.database.reading() as session:
        history = session.scalars(select(LinesEvent).order_by(LinesEvent.id)).all()
    assert [event.printed is None for event in history] == [False, True]


def test_a_reset_of_what_was_never_laid_writes_nothing(own_home, value):
    save(own_home.database, value)
    with own_home.database.reading() as session:
        assert session.scalars(select(LinesEvent).order_by(LinesEvent.id)).all() == []


def test_the_ceiling_is_told_from_both_sides_and_named_for_the_lower(value):
    said = ceiling_text(value, None)
    assert "Centering caps this card at 9" in said
    centred = {**value, "numbers": {**value["numbers"], "worst": 50.0}}
    assert "Centering allows a 10" in ceiling_text(centred, None)
    assert "no ceiling" in ceiling_text(None, None).lower()


# --- the same by commands, and for a card that is kept


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "front.png"
    Image.fromarray(np.repeat(np.repeat(card_picture(8, seed=3, side="front"), 3, axis=0), 3, axis=1)).save(path)
    return path


@pytest.fixture
def laid_in_the_browser(own_home, picture):
    """The left frame line of a graded picture dragged by 0.4 mm and saved."""
    [front, _] = sides_to_measure_on(grade_card(picture, None, None), own_home.data)
    save(own_home.database, moved(front, "printed", 3, 0.4))
    return corrections(own_home.database)[sha256(picture), "front"]


def test_grade_by_command_uses_the_lines_of_its_data_folder_and_says_so(
    own_home, picture, laid_in_the_browser, tmp_path
):
    said = call("grade", picture, "--data", own_home.data.root, "--out", tmp_path / "out").result
    assert said["front"]["centering"]["by_hand"] is True
    assert np.array(said["front"]["centering"]["printed"]) == pytest.approx(laid_in_the_browser.printed, abs=1e-3)
    assert said["front"]["centering"]["corrected_at"].startswith(f"{laid_in_the_browser.made_at:%Y-%m-%d}")
    with Image.open(said["front"]["measured"]) as drawn:
        assert drawn.format == "PNG"
    elsewhere = call("grade", picture, "--data", tmp_path / "other").result["front"]
    assert elsewhere["centering"] is None or elsewhere["centering"]["by_hand"] is False
    assert not (tmp_path / "other" / "loupe.db").exists(), "grading writes no database"


def test_a_batch_uses_them_too(own_home, picture, laid_in_the_browser, tmp_path):
    manifest = tmp_path / "cards.csv"
    manifest.write_text(f"card_id,front,back,grade\none,{picture},,\n", encoding="utf-8")
    [said] = call("grade", "--batch", manifest, "--data", own_home.data.root).result
    assert said["front"]["centering"]["by_hand"] is True


def test_a_card_that_is_kept_keeps_its_lines_though_its_picture_is_stored_anew(own_home, picture, laid_in_the_browser):
    assert kept_in(own_home.data).keys() == {(sha256(picture), "front")}
    for _ in range(2):
        keep_card(own_home.database, own_home.data, picture, None, 8.0)
    [stored] = own_home.data.pictures.glob("*.png")
    held = corrections(own_home.database)
    assert held.keys() == {(sha256(picture), "front"), (sha256(stored), "front")}
    assert np.array_equal(held[sha256(stored), "front"].printed, laid_in_the_browser.printed)
