"""What a network is told of a measured side: against cards drawn from closed forms."""

import cv2
import numpy as np
import pytest

from engine.measure.side.features import FEATURES, features_of, measured_features
from engine.measure.side.measure_side import measure_side
from tests.engine.measure.card_factory import DrawnCard, box

PAPER = (236, 234, 228)


def told(card: DrawnCard) -> dict[str, float]:
    side = measure_side(card.picture(), card.quad(), card.size, "scan")
    return dict(zip(FEATURES, features_of(side), strict=True))


def of_amount(value: float, first: float, most: float) -> float:
    return np.log(1 + value / first) / np.log(1 + most / first)


def test_centering_is_told_from_the_middle_to_a_missing_border():
    values = told(DrawnCard(borders_mm=(2.4, 3.6, 3.6, 2.4)))
    assert values["lr"] == pytest.approx((60 - 50) / 50, abs=0.01)
    assert values["tb"] == pytest.approx((60 - 50) / 50, abs=0.01)
    assert values["worse_axis"] == max(values["lr"], values["tb"])


def test_a_whitened_edge_is_the_worst_and_the_clean_ones_come_second():
    values = told(DrawnCard(patches=[(box(20, 0, 30, 0.5), PAPER)]))
    assert values["edge_whitening_mm_worst"] == pytest.approx(of_amount(10, 0.5, 60), abs=0.02)
    assert values["edge_whitening_mm_second"] == 0
    assert values["edge_whitening_mm_mean"] == pytest.approx(values["edge_whitening_mm_worst"] / 4)
    assert values["edge_area_mm2_worst"] == pytest.approx(of_amount(5, 0.1, 30), abs=0.04)
    assert values["edge_whitening_mm_seen"] == 1
    assert values["corner_whitening_mm2_worst"] < of_amount(0.06, 0.05, 20)


def test_an_untouched_card_measures_nothing_and_nothing_is_told_from_a_gap():
    values = told(DrawnCard())
    assert values["scratches"] == values["creases"] == values["deepest_nick"] == values["stains"] == 0
    borderless = told(DrawnCard(borders_mm=None))
    assert np.isnan([borderless[name] for name in ("lr", "tb", "worse_axis", "stains")]).all()


def test_a_coarse_picture_leaves_wear_untold_and_says_how_coarse_it_is():
    values = told(DrawnCard(px_per_mm=4.0))
    assert np.isnan([values["corner_whitening_mm2_worst"], values["deepest_nick"], values["scratches"]]).all()
    assert values["corner_whitening_mm2_seen"] == values["edge_area_mm2_seen"] == 0
    assert values["px_per_mm"] == pytest.approx(of_amount(4, 3, 25), abs=0.01)


def test_a_mirrored_card_is_told_alike():
    patches = [(box(10, 0, 16, 0.5), PAPER), (box(0, 30, 0.4, 33), PAPER)]
    card = DrawnCard(borders_mm=(2.4, 3.0, 3.6, 3.0), patches=patches)
    rgb = card.picture()
    one = features_of(measure_side(rgb, card.quad(), card.size, "scan"))
    quad = card.quad()
    mirrored = np.ascontiguousarray(rgb[:, ::-1])
    # The mirrored corners, again clockwise from the top left.
    turned = np.stack([rgb.shape[1] - 1 - quad[[1, 0, 3, 2], 0], quad[[1, 0, 3, 2], 1]], axis=1)
    other = features_of(measure_side(mirrored, turned, card.size, "scan"))
    np.testing.assert_allclose(one, other, atol=0.02)


def test_a_picture_file_is_told_as_its_pixels_and_a_lost_one_not_at_all(tmp_path):
    card = DrawnCard(borders_mm=(2.4, 3.6, 3.6, 2.4))
    assert cv2.imwrite(str(tmp_path / "card.png"), card.picture()[:, :, ::-1])
    values = measured_features(tmp_path / "card.png", card.quad(), "scan")
    assert values.shape == (len(FEATURES),)
    assert values[FEATURES.index("lr")] == pytest.approx(0.2, abs=0.01)
    assert np.isnan(measured_features(tmp_path / "gone.png", card.quad(), "scan")).all()
