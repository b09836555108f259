"""What the auxiliary heads are given."""

import cv2
import numpy as np
import pytest

from engine.measure.side.measure_side import measure_side
from engine.measure.side.targets import auxiliary_targets, measured_targets
from tests.engine.measure.card_factory import DrawnCard, box

PAPER = (236, 234, 228)


def targets(card: DrawnCard):
    return auxiliary_targets(measure_side(card.picture(), card.quad(), card.size, "scan"))


def test_targets_are_the_measured_shares():
    told = targets(DrawnCard(borders_mm=(2.4, 3.6, 3.6, 2.4), patches=[(box(20, 0, 30, 0.5), PAPER)]))
    assert told.left_share == pytest.approx(0.4, abs=0.01)
    assert told.top_share == pytest.approx(0.6, abs=0.01)
    assert told.edge_damage == pytest.approx(10 / (63 - 7.2) / 4, abs=0.01)


def test_what_was_not_measured_is_nan():
    borderless = targets(DrawnCard(borders_mm=None))
    assert np.isnan([borderless.left_share, borderless.top_share]).all()
    assert np.isnan(targets(DrawnCard(px_per_mm=4.0)).edge_damage)
    pale = targets(DrawnCard(border=PAPER, inside=(60, 60, 140)))
    assert np.isnan(pale.edge_damage)
    assert pale.left_share == pytest.approx(0.5, abs=0.01)


def test_a_picture_file_is_measured_where_its_card_was_found_to_the_shares_it_was_drawn_with(tmp_path):
    card = DrawnCard(borders_mm=(2.4, 3.6, 3.6, 2.4), patches=[(box(20, 0, 30, 0.5), PAPER)])
    assert cv2.imwrite(str(tmp_path / "card.png"), card.picture()[:, :, ::-1])
    told = measured_targets(tmp_path / "card.png", card.quad(), "scan")
    assert told.left_share == pytest.approx(0.4, abs=0.01)
    assert told.top_share == pytest.approx(0.6, abs=0.01)
    assert told.edge_damage == pytest.approx(10 / (63 - 7.2) / 4, abs=0.01)


def test_a_large_jpeg_is_decoded_smaller_and_measured_alike(tmp_path):
    card = DrawnCard(px_per_mm=36.0, borders_mm=(2.4, 3.6, 3.6, 2.4))
    assert cv2.imwrite(str(tmp_path / "card.jpg"), card.picture()[:, :, ::-1])
    told = measured_targets(tmp_path / "card.jpg", card.quad(), "scan")
    assert (told.left_share, told.top_share) == pytest.approx((0.4, 0.6), abs=0.01)


def test_a_picture_that_is_gone_is_not_measured(tmp_path):
    assert np.isnan(measured_targets(tmp_path / "gone.png", DrawnCard().quad(), "scan")).all()
