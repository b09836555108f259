"""Domain of a model, against scikit-learn's nearest neighbors and on clusters of known distance."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from engine.evaluation.domain import MAX_DIRECTIONS, NEIGHBORS, Domain, fit_domain


@pytest.fixture(scope="module")
def features():
    """Two kinds of cards: clusters of 150 in 64 dimensions."""
    random = np.random.default_rng(0)
    centers = random.normal(0, 3, (2, 64))
    return np.concatenate([center + random.normal(0, 1, (150, 64)) for center in centers]).astype(np.float32)


def test_the_distance_is_that_of_nearest_neighbors_after_principal_components(features):
    domain, new = fit_domain(features), features[3] + 0.5
    analysis = PCA(MAX_DIRECTIONS, svd_solver="full").fit(features)
    neighbors = NearestNeighbors(n_neighbors=NEIGHBORS, metric="cosine").fit(analysis.transform(features))
    expected = neighbors.kneighbors(analysis.transform(new[None]))[0].mean()
    assert domain.distance(new) == pytest.approx(expected, abs=1e-4)


def test_new_cards_of_a_known_kind_are_inside_and_another_kind_is_outside(features):
    random = np.random.default_rng(1)
    domain = fit_domain(features)
    known = features[:100] + random.normal(0, 0.3, (100, 64))
    assert np.mean([domain.contains(card) for card in known]) > 0.95
    other = random.normal(0, 3, (100, 64)) * 2
    assert np.mean([domain.contains(card) for card in other]) < 0.05


def test_a_domain_is_restored_from_its_dict(features):
    domain = fit_domain(features)
    restored = Domain.from_dict(domain.to_dict())
    assert restored.distance(features[0]) == domain.distance(features[0])
    with pytest.raises(ValueError, match="do not fit"):
        Domain.from_dict({**domain.to_dict(), "mean": domain.mean[1:]})


@pytest.mark.parametrize("changes", [{"references": np.nan}, {"directions": 5}, {"limit": np.nan}, {"limit": np.inf}])
def test_damaged_values_of_a_domain_are_refused(features, changes):
    with pytest.raises(ValueError, match="do not fit"):
        Domain.from_dict({**fit_domain(features).to_dict(), **changes})


@pytest.mark.parametrize("name", ["mean", "directions", "references"])
def test_references_that_are_not_finite_are_refused(features, name):
    saved = fit_domain(features).to_dict()
    for array in (saved[name] * np.nan, saved[name] * np.inf):
        with pytest.raises(ValueError, match="not finite"):
            Domain.from_dict({**saved, name: array})
