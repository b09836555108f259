"""The measurement branch: missing values differ from zeros, and absent sides are masked."""

import torch

from engine.config import Config
from engine.measure.side.features import FEATURE_NAMES
from engine.model.dual_branch import DualBranch
from engine.model.measurement_branch import with_missing_mask

COUNT = len(FEATURE_NAMES)


def test_a_missing_value_differs_from_zero_and_an_absent_side_is_all_missing():
    measured = torch.zeros(1, 2, COUNT)
    measured[0, 0, 0] = torch.nan
    measured[0, 0, 1] = 0.5
    features = with_missing_mask(measured, torch.tensor([[True, False]]))
    assert features.shape == (1, 2, 2, COUNT)
    assert features[0, 0, 0, :3].tolist() == [0, 0.5, 0]
    assert features[0, 0, 1, :3].tolist() == [0, 1, 1]
    assert not features[0, 1].any()


def test_the_grade_can_be_learned_from_measurements_alone():
    torch.manual_seed(0)
    network = DualBranch(Config(front_encoder="resnet18", back_encoder="resnet18", use_measurements=True))
    random = torch.Generator().manual_seed(1)
    measured = torch.rand(16, 2, COUNT, generator=random)
    grades = (10 * measured[:, 0, 3]).long().clamp(max=9)
    features = with_missing_mask(measured, torch.ones(16, 2, dtype=torch.bool))
    no_features = torch.zeros(16, 512)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(120):
        scores = network.fuse_and_score(
            no_features, no_features, network.auxiliary_features(torch.ones(16, 2).bool(), None, features)
        )
        loss = torch.nn.functional.cross_entropy(scores.grade, grades)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (scores.grade.argmax(dim=1) == grades).all()
