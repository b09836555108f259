"""Feature vectors of synthetic cards with known borders and wear."""

import cv2
import numpy as np
import pytest

from engine.measure.side.features import FEATURE_NAMES, feature_vector, measure_features
from engine.measure.side.measure_side import measure_side
from tests.engine.measure.card_factory import DrawnCard, box

PAPER = (236, 234, 228)


def feature_values(card: DrawnCard) -> dict[str, float]:
    side = measure_side(card.picture(), card.quad(), card.size, "scan")
    return dict(zip(FEATURE_NAMES, feature_vector(side), strict=True))


def scaled(value: float, scale: float, maximum: float) -> float:
    return np.log(1 + value / scale) / np.log(1 + maximum / scale)


def test_centering_is_scaled_from_centered_to_no_border():
    values = feature_values(DrawnCard(borders_mm=(2.4, 3.6, 3.6, 2.4)))
    assert values["lr"] == pytest.approx((60 - 50) / 50, abs=0.01)
    assert values["tb"] == pytest.approx((60 - 50) / 50, abs=0.01)
    assert values["worse_axis"] == max(values["lr"], values["tb"])


def test_a_whitened_edge_is_the_worst_and_the_clean_ones_come_second():
    values = feature_values(DrawnCard(patches=[(box(20, 0, 30, 0.5), PAPER)]))
    assert values["edge_whitening_mm_worst"] == pytest.approx(scaled(10, 0.5, 60), abs=0.02)
    assert values["edge_whitening_mm_second"] == 0
    assert values["edge_whitening_mm_mean"] == pytest.approx(values["edge_whitening_mm_worst"] / 4)
    assert values["edge_area_mm2_worst"] == pytest.approx(scaled(5, 0.1, 30), abs=0.04)
    assert values["edge_whitening_mm_seen"] == 1
    assert values["corner_whitening_mm2_worst"] < scaled(0.06, 0.05, 20)


def test_a_clean_card_has_no_wear_and_a_missing_measurement_is_nan():
    values = feature_values(DrawnCard())
    assert values["scratches"] == values["creases"] == values["deepest_nick"] == values["stains"] == 0
    borderless = feature_values(DrawnCard(borders_mm=None))
    assert np.isnan([borderless[name] for name in ("lr", "tb", "worse_axis", "stains")]).all()


def test_wear_is_nan_at_low_resolution():
    values = feature_values(DrawnCard(px_per_mm=4.0))
    assert np.isnan([values["corner_whitening_mm2_worst"], values["deepest_nick"], values["scratches"]]).all()
    assert values["corner_whitening_mm2_seen"] == values["edge_area_mm2_seen"] == 0
    assert values["px_per_mm"] == pytest.approx(scaled(4, 3, 25), abs=0.01)


def test_features_are_invariant_to_mirroring():
    patches = [(box(10, 0, 16, 0.5), PAPER), (box(0, 30, 0.4, 33), PAPER)]
    card = DrawnCard(borders_mm=(2.4, 3.0, 3.6, 3.0), patches=patches)
    rgb = card.picture()
    original_features = feature_vector(measure_side(rgb, card.quad(), card.size, "scan"))
    quad = card.quad()
    mirrored = np.ascontiguousarray(rgb[:, ::-1])
    # Mirroring reverses the corners; reorder them clockwise from the top left.
    mirrored_quad = np.stack([rgb.shape[1] - 1 - quad[[1, 0, 3, 2], 0], quad[[1, 0, 3, 2], 1]], axis=1)
    mirrored_features = feature_vector(measure_side(mirrored, mirrored_quad, card.size, "scan"))
    np.testing.assert_allclose(original_features, mirrored_features, atol=0.02)


def test_features_of_a_picture_file_are_measured_and_those_of_a_missing_file_are_nan(tmp_path):
    card = DrawnCard(borders_mm=(2.4, 3.6, 3.6, 2.4))
    assert cv2.imwrite(str(tmp_path / "card.png"), card.picture()[:, :, ::-1])
    values = measure_features(tmp_path / "card.png", card.quad(), "scan")
    assert values.shape == (len(FEATURE_NAMES),)
    assert values[FEATURE_NAMES.index("lr")] == pytest.approx(0.2, abs=0.01)
    assert np.isnan(measure_features(tmp_path / "gone.png", card.quad(), "scan")).all()
