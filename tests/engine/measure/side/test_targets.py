"""Training targets of the auxiliary heads on synthetic cards."""

import cv2
import numpy as np
import pytest

from engine.measure.side.measure_side import measure_side
from engine.measure.side.targets import measure_targets, side_targets
from tests.engine.measure.card_factory import DrawnCard, box

PAPER = (236, 234, 228)


def targets_of(card: DrawnCard):
    return side_targets(measure_side(card.picture(), card.quad(), card.size, "scan"))


def test_targets_are_the_measured_fractions():
    measured = targets_of(DrawnCard(borders_mm=(2.4, 3.6, 3.6, 2.4), patches=[(box(20, 0, 30, 0.5), PAPER)]))
    assert measured.left_fraction == pytest.approx(0.4, abs=0.01)
    assert measured.top_fraction == pytest.approx(0.6, abs=0.01)
    assert measured.edge_damage == pytest.approx(10 / (63 - 7.2) / 4, abs=0.01)


def test_a_missing_measurement_is_nan():
    borderless = targets_of(DrawnCard(borders_mm=None))
    assert np.isnan([borderless.left_fraction, borderless.top_fraction]).all()
    assert np.isnan(targets_of(DrawnCard(px_per_mm=4.0)).edge_damage)
    pale = targets_of(DrawnCard(border=PAPER, inside=(60, 60, 140)))
    assert np.isnan(pale.edge_damage)
    assert pale.left_fraction == pytest.approx(0.5, abs=0.01)


def test_targets_of_a_picture_file_are_the_fractions_of_the_drawing(tmp_path):
    card = DrawnCard(borders_mm=(2.4, 3.6, 3.6, 2.4), patches=[(box(20, 0, 30, 0.5), PAPER)])
    assert cv2.imwrite(str(tmp_path / "card.png"), card.picture()[:, :, ::-1])
    measured = measure_targets(tmp_path / "card.png", card.quad(), "scan")
    assert measured.left_fraction == pytest.approx(0.4, abs=0.01)
    assert measured.top_fraction == pytest.approx(0.6, abs=0.01)
    assert measured.edge_damage == pytest.approx(10 / (63 - 7.2) / 4, abs=0.01)


@pytest.mark.slow
def test_a_large_jpeg_is_decoded_at_reduced_size_with_the_same_result(tmp_path):
    card = DrawnCard(px_per_mm=36.0, borders_mm=(2.4, 3.6, 3.6, 2.4))
    assert cv2.imwrite(str(tmp_path / "card.jpg"), card.picture()[:, :, ::-1])
    measured = measure_targets(tmp_path / "card.jpg", card.quad(), "scan")
    assert (measured.left_fraction, measured.top_fraction) == pytest.approx((0.4, 0.6), abs=0.01)


def test_a_missing_picture_is_not_measured(tmp_path):
    assert np.isnan(measure_targets(tmp_path / "gone.png", DrawnCard().quad(), "scan")).all()
