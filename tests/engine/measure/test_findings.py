"""Findings of a side: their order, cost and confidence, and which of them are listed."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from engine.cards.wear_limits import MAX_AMOUNTS
from engine.measure.centering.centering import NoCentering
from engine.measure.findings.additive_model import AdditiveModel, Confidences, model_from_json, shipped_confidences
from engine.measure.findings.candidates import find_candidates
from engine.measure.findings.findings import findings_of
from engine.measure.side.measure_side import SideMeasurements, measure_side
from engine.measure.surface.surface import NoSurface
from engine.measure.wear.corners import CornerWear
from engine.measure.wear.edges import EdgeWear, Nick
from tests.engine.measure.card_factory import DrawnCard

KINDS = ("corner_whitening", "corner_rounding", "corner_fray", "nick", "stain", "line")


def corner(name: str, **amounts: float) -> CornerWear:
    values = {"whitening_mm2": 0.0, "radius_mm": 3.0, "rounding_mm": 0.0, "fray_mm": 0.0, **amounts}
    return CornerWear(name, (0.0, 0.0), **values)


def edge(name: str, *nicks: Nick) -> EdgeWear:
    return EdgeWear(name, 0.0, 0.0, 0.0, 0.0, nicks)


def nick(length_mm: float, at_mm: tuple[float, float] = (30.0, 0.1)) -> Nick:
    return Nick("whitening", at_mm, length_mm, 0.2, 0.1 * length_mm, contrast=180.0, from_ground=200.0)


@cache
def blank_side() -> SideMeasurements:
    return measure_side(np.full((1000, 720, 3), 90, np.uint8), DrawnCard().quad(), DrawnCard().size, "scan")


def side(corners: list[CornerWear], edges: list[EdgeWear]) -> SideMeasurements:
    return replace(
        blank_side(),
        centering=NoCentering("borderless"),
        corners=corners,
        edges=edges,
        surface=NoSurface("not measured"),
        stains=None,
        corner_evidence=np.ones(4),
    )


def confidences(**by_kind: float) -> Confidences:
    """Confidences that are the same for every candidate of a kind, .9 where none is given."""
    values = {kind: by_kind.get(kind, 0.9) for kind in KINDS}
    return Confidences({kind: AdditiveModel(float(np.log(p / (1 - p))), {}) for kind, p in values.items()}, 0.8)


FLAWLESS_CORNERS = [corner(name) for name in ("top left", "top right", "bottom right", "bottom left")]
FLAWLESS_EDGES = [edge(name) for name in ("top", "right", "bottom", "left")]


def test_the_finding_that_costs_most_grades_comes_first():
    edges = [edge("top", nick(1.0), nick(20.0)), *FLAWLESS_EDGES[1:]]
    listed = findings_of(
        side([corner("top left", whitening_mm2=1.0), *FLAWLESS_CORNERS[1:]], edges), confidences()
    ).listed
    assert [finding.grades_lost for finding in listed] == [5, 3, 1]
    assert [finding.place for finding in listed] == ["top edge", "top left corner", "top edge"]
    assert [finding.number for finding in listed] == [1, 2, 3]


def test_only_findings_above_the_stated_confidence_are_listed_and_the_rest_are_possible():
    edges = [edge("top", nick(5.0)), *FLAWLESS_EDGES[1:]]
    found = findings_of(
        side([corner("top left", whitening_mm2=1.0), *FLAWLESS_CORNERS[1:]], edges), confidences(nick=0.5)
    )
    assert [finding.kind for finding in found.listed] == ["corner"]
    assert [finding.kind for finding in found.possible] == ["whitening"]
    assert found.possible[0].confidence == pytest.approx(0.5)


def test_wear_of_one_corner_is_one_finding():
    worn = corner("top right", whitening_mm2=0.5, rounding_mm=1.5, fray_mm=0.4)
    [finding] = findings_of(
        side([FLAWLESS_CORNERS[0], worn, *FLAWLESS_CORNERS[2:]], FLAWLESS_EDGES), confidences()
    ).listed
    assert finding.description == "whitening of 0.50 mm², rounded by 1.5 mm, frayed over 0.4 mm"
    assert finding.grades_lost == 6  # a 4 allows 1.7 mm of rounding, a 5 only 1.2
    assert finding.size == (1.5, "mm")


def test_a_part_of_a_corner_that_is_less_certain_is_left_out_of_its_finding():
    worn = corner("top left", whitening_mm2=0.5, rounding_mm=1.5)
    found = findings_of(side([worn, *FLAWLESS_CORNERS[1:]], FLAWLESS_EDGES), confidences(corner_rounding=0.5))
    assert [finding.description for finding in found.listed] == ["whitening of 0.50 mm²"]
    assert found.possible == ()


@pytest.mark.parametrize(("grade", "column"), [(9, 1), (6, 4), (2, 8)])
def test_the_cost_is_what_the_limits_of_the_rubric_leave(grade: int, column: int):
    amount = MAX_AMOUNTS["edges"]["whitening_mm"][column]
    [candidate] = find_candidates(side(FLAWLESS_CORNERS, [edge("top", nick(amount)), *FLAWLESS_EDGES[1:]]))
    assert candidate.grades_lost == 10 - grade


def test_a_model_is_linear_between_its_knots_and_constant_beyond():
    model = AdditiveModel(-1.0, {"x": ((0.0, 2.0), (0.0, 4.0))})
    odds = np.log(model.probabilities([{"x": x} for x in (-5.0, 1.0, 9.0)]) ** -1 - 1) * -1
    assert odds == pytest.approx([-1.0, 1.0, 3.0])
    assert model_from_json(model.as_json()) == model


def test_the_models_that_ship_cover_every_kind_and_every_feature_is_there():
    shipped = shipped_confidences()
    assert set(shipped.models) == set(KINDS)
    worn = side(
        [corner("top left", whitening_mm2=1.0, rounding_mm=1.0, fray_mm=1.0), *FLAWLESS_CORNERS[1:]],
        [edge("top", nick(5.0)), *FLAWLESS_EDGES[1:]],
    )
    for candidate in find_candidates(worn):
        assert set(shipped.models[candidate.kind].curves) <= set(candidate.features)


def test_whitening_on_a_drawn_card_is_found_and_a_flawless_card_has_none_listed():
    patch = np.array([(20.0, -0.2), (34.0, -0.2), (34.0, 0.5), (20.0, 0.5)])
    worn, flawless = DrawnCard(patches=[(patch, (238, 236, 230))]), DrawnCard()
    worn_side, flawless_side = (
        measure_side(card.picture(), card.quad(), card.size, "scan") for card in (worn, flawless)
    )
    [finding] = findings_of(worn_side).listed
    assert finding.place == "top edge"
    assert finding.size[0] == pytest.approx(14.0, abs=1.0)
    left, top, right, bottom = finding.box_mm
    assert left < 27 < right and top < 0.25 < bottom
    assert findings_of(flawless_side).listed == ()
