"""Quality gate on pictures with a known defect."""

import cv2
import numpy as np
import pytest

from engine.detection.find_card import picture_bounds
from engine.image.detection import Detection
from engine.image.quality import card_quality, picture_quality
from tests.engine.image.test_perspective import seen_card


def printed(height=880, width=630):
    """Draw a card-like picture: smooth color under fine strokes, nothing saturated."""
    random = np.random.default_rng(0)
    rgb = cv2.resize(
        random.integers(40, 230, (9, 7, 3), dtype=np.uint8), (width, height), interpolation=cv2.INTER_LINEAR
    )
    for _ in range(200):
        at = (int(random.integers(0, width)), int(random.integers(0, height)))
        cv2.putText(rgb, "Loupe", at, 0, 0.6, random.integers(0, 245, 3).tolist(), 1, cv2.LINE_AA)
    return rgb


def whole(rgb, kind="scan"):
    return Detection(kind, picture_bounds(rgb.shape[:2]), 1.0, whole_picture=True)


def test_a_sharp_well_lit_scan_is_good_and_needs_no_reason():
    quality = card_quality(printed(), whole(printed()))
    assert quality.verdict == "good"
    assert quality.reasons == []
    assert quality.px_per_mm == pytest.approx(10, rel=0.01)


def test_an_uncertain_outline_makes_a_picture_only_usable():
    rgb = cv2.copyMakeBorder(printed(), 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=(90, 90, 90))
    quad = picture_bounds((880, 630)) + 40
    sure, unsure = (card_quality(rgb, Detection("scan", quad, confidence)) for confidence in (0.9, 0.2))
    assert (sure.verdict, unsure.verdict) == ("good", "usable")
    [reason] = unsure.reasons
    assert "not sure where the card ends" in reason
    # A picture cropped to the card has no outline.
    assert card_quality(rgb, Detection("scan", picture_bounds(rgb.shape[:2]), 0.0, whole_picture=True)).reasons == []


def test_sharpness_falls_with_every_blur_and_a_heavy_one_is_refused():
    rgb = printed()
    qualities = [card_quality(cv2.GaussianBlur(rgb, (0, 0), sigma), whole(rgb)) for sigma in (0.7, 1.5, 3, 6)]
    assert [q.sharpness for q in qualities] == sorted((q.sharpness for q in qualities), reverse=True)
    assert qualities[-1].verdict == "refuse"
    assert "focus" in qualities[-1].reasons[0]


def test_glare_over_a_tenth_of_a_photo_is_measured_and_makes_it_only_usable():
    rgb = printed()
    rgb[200:376, 65:565] = 255
    quality = card_quality(rgb, whole(rgb, "photo"))
    assert quality.glare == pytest.approx(176 * 500 / (880 * 630), abs=0.01)
    assert quality.verdict == "usable"
    assert "glare hides 16% of the card" in quality.reasons[0]


def test_the_white_of_a_scan_is_paper_and_no_glare():
    rgb = printed()
    rgb[:, :60] = 255
    assert card_quality(rgb, whole(rgb)).glare == 0


@pytest.mark.parametrize(("gain", "verdict"), [(1.0, "good"), (0.3, "usable"), (0.08, "refuse")])
def test_a_darker_picture_gets_a_worse_verdict(gain, verdict):
    rgb = (printed() * gain).astype(np.uint8)
    assert card_quality(rgb, whole(rgb)).verdict == verdict
    assert picture_quality(rgb).verdict == verdict


def test_a_tilted_card_is_usable_and_the_reason_asks_for_a_picture_from_above():
    rgb = np.tile(printed(), (3, 3, 1))[:2016, :1512]
    quality = card_quality(rgb, Detection("photo", seen_card(63, 88, 35, 40), 1.0))
    assert abs(quality.tilt_deg - 35) < 4
    assert quality.verdict == "usable"
    assert any("straight above" in reason for reason in quality.reasons)


def test_a_small_card_is_usable_and_a_tiny_one_refused():
    for height, verdict in ((200, "usable"), (44, "refuse")):
        rgb = cv2.resize(printed(), (round(height * 63 / 88), height), interpolation=cv2.INTER_AREA)
        assert card_quality(rgb, whole(rgb)).verdict == verdict


def test_a_card_that_runs_out_of_the_picture_is_refused():
    rgb = printed()
    quad = picture_bounds(rgb.shape[:2]) + np.array([(0, -60), (0, -60), (0, 0), (0, 0)])
    quality = card_quality(rgb, Detection("photo", quad, 1.0))
    assert quality.verdict == "refuse"
    assert any("out of the picture" in reason for reason in quality.reasons)


def reasons_of(rgb, kind="scan"):
    quality = card_quality(rgb, whole(rgb, kind))
    assert (quality.verdict == "good") == (not quality.reasons)
    return quality.reasons


def test_noise_is_named_and_a_little_of_it_is_not():
    random = np.random.default_rng(1)
    noisy, slightly = (
        np.clip(printed() + random.normal(0, sigma, (880, 630, 3)), 0, 255).astype(np.uint8) for sigma in (45, 4)
    )
    [reason] = reasons_of(noisy)
    assert "noisy" in reason
    assert reasons_of(slightly) == []
    assert [card_quality(rgb, whole(rgb, "scan")).hides_wear for rgb in (noisy, slightly)] == [True, False]


@pytest.mark.parametrize(
    ("factor", "interpolation"),
    [(2.5, cv2.INTER_NEAREST), (4, cv2.INTER_NEAREST), (6, cv2.INTER_NEAREST), (6, cv2.INTER_CUBIC)],
)
def test_a_small_picture_that_was_enlarged_is_named(factor, interpolation):
    card = printed()
    small = cv2.resize(card, (round(630 / factor), round(880 / factor)), interpolation=cv2.INTER_AREA)
    enlarged = cv2.resize(small, (630, 880), interpolation=interpolation)
    compressed = cv2.imdecode(cv2.imencode(".jpg", enlarged, [cv2.IMWRITE_JPEG_QUALITY, 90])[1], cv2.IMREAD_COLOR)
    word = "enlarged" if interpolation == cv2.INTER_NEAREST else "blurred"
    assert any(word in reason for reason in reasons_of(compressed))


@pytest.mark.parametrize("level", [20, 50, 90])
def test_jpeg_compression_is_not_taken_for_an_enlargement(level):
    encoded = cv2.imencode(".jpg", printed(), [cv2.IMWRITE_JPEG_QUALITY, level])[1]
    assert reasons_of(cv2.imdecode(encoded, cv2.IMREAD_COLOR)) == []


@pytest.mark.parametrize("kind", ["scan", "photo", "slab"])
def test_a_round_spot_of_light_is_named_once_and_a_white_text_box_of_a_scan_is_not(kind):
    spot, box = printed(), printed()
    cv2.ellipse(spot, (300, 400), (120, 90), 20, 0, 360, (255, 255, 255), -1)
    [reason] = reasons_of(cv2.GaussianBlur(spot, (0, 0), 1), kind)
    assert "6% of the card; move the light" in reason
    cv2.rectangle(box, (80, 500), (550, 800), (255, 255, 255), -1)
    assert kind != "scan" or reasons_of(box) == []


def test_a_finger_on_a_corner_is_named_and_a_border_of_that_color_is_not():
    skin = (224, 172, 140)
    finger = printed()
    cv2.ellipse(finger, (620, 870), (90, 190), -40, 0, 360, skin, -1)
    [reason] = reasons_of(finger)
    assert "covers a corner" in reason
    framed = printed()
    cv2.rectangle(framed, (0, 0), (629, 879), skin, 60)
    assert reasons_of(framed) == []


def test_at_import_no_card_is_detected_so_tilt_and_resolution_are_none():
    quality = picture_quality(printed())
    assert (quality.tilt_deg, quality.px_per_mm) == (None, None)
    assert quality.verdict == "good"
