"""What the auxiliary heads are given."""

import pytest

from engine.measure.card import measure_side
from engine.measure.targets import auxiliary_targets
from tests.engine.measure.drawn import DrawnCard, box

PAPER = (236, 234, 228)


def targets(card: DrawnCard):
    return auxiliary_targets(measure_side(card.picture(), card.quad(), card.size, "scan"))


def test_targets_are_the_measured_shares():
    told = targets(DrawnCard(borders_mm=(2.4, 3.6, 3.6, 2.4), patches=[(box(20, 0, 30, 0.5), PAPER)]))
    assert told.left_share == pytest.approx(0.4, abs=0.01)
    assert told.top_share == pytest.approx(0.6, abs=0.01)
    assert told.edge_damage == pytest.approx(10 / (63 - 7.2) / 4, abs=0.01)


def test_what_was_not_measured_is_none():
    borderless = targets(DrawnCard(borders_mm=None))
    assert (borderless.left_share, borderless.top_share) == (None, None)
    assert targets(DrawnCard(px_per_mm=4.0)).edge_damage is None
    pale = targets(DrawnCard(border=PAPER, inside=(60, 60, 140)))
    assert pale.edge_damage is None
    assert pale.left_share == pytest.approx(0.5, abs=0.01)
