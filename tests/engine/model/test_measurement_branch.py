"""The network is told what was measured: gaps from noughts, hidden sides not at all."""

import torch

from engine.config import Config
from engine.measure.side.features import FEATURES
from engine.model.dual_branch import DualBranch
from engine.model.measurement_branch import told_and_seen

COUNT = len(FEATURES)


def test_a_gap_is_told_from_a_nought_and_a_hidden_side_is_all_gaps():
    measured = torch.zeros(1, 2, COUNT)
    measured[0, 0, 0] = torch.nan
    measured[0, 0, 1] = 0.5
    given = told_and_seen(measured, torch.tensor([[True, False]]))
    assert given.shape == (1, 2, 2, COUNT)
    assert given[0, 0, 0, :3].tolist() == [0, 0.5, 0]
    assert given[0, 0, 1, :3].tolist() == [0, 1, 1]
    assert not given[0, 1].any()


def test_the_grade_can_be_learned_from_measurements_alone():
    torch.manual_seed(0)
    network = DualBranch(Config(front_encoder="resnet18", back_encoder="resnet18", measured_inputs=True))
    random = torch.Generator().manual_seed(1)
    measured = torch.rand(16, 2, COUNT, generator=random)
    grades = (10 * measured[:, 0, 3]).long().clamp(max=9)
    given = told_and_seen(measured, torch.ones(16, 2, dtype=torch.bool))
    nothing = torch.zeros(16, 512)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(120):
        scores = network.read_off(nothing, nothing, network.read_beside(torch.ones(16, 2).bool(), None, given))
        loss = torch.nn.functional.cross_entropy(scores.grade, grades)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (scores.grade.argmax(dim=1) == grades).all()
