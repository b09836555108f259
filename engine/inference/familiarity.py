"""Grading by pixels only where the pictures are familiar: elsewhere a card is graded by its measurements alone.

What a network learns from pixels is worth little on photographs of another kind: trained on other sources, it graded
256 real pairs no better than chance (decision 30). Measured wear keeps its meaning there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.data.inputs import Inputs
from engine.evaluation.domain import Domain
from engine.model.dual_branch import CardMaps, DualBranch, Scores

# (front, back): False if the side is unlike the pictures that the model was checked on; None if the side is missing or
# the model does not know these pictures.
Familiarity = tuple[bool | None, bool | None]


class FamiliarPixels(nn.Module):
    """A network in eval mode that hides the pixels of cards in unfamiliar pictures, if it was trained to do without.

    Other networks give the same scores with it as without.
    """

    def __init__(self, network: DualBranch, domains: tuple[Domain | None, Domain | None]) -> None:
        super().__init__()
        self.network = network
        self.domains = domains

    def forward(self, *inputs: Tensor | None) -> Scores:
        """As `DualBranch.forward`."""
        return self.score(Inputs(*inputs))[0]  # type: ignore[arg-type]  # as Inputs orders them

    def score(self, inputs: Inputs, maps: CardMaps | None = None) -> tuple[Scores, list[Familiarity]]:
        """Scores of B cards, and the familiarity of their sides.

        maps  the encoders' maps of the only card, if they are computed already
        """
        network = self.network
        if maps is None:
            front, back = network.side_features(inputs.front, inputs.back, inputs.present)
        else:
            front, back = network.features_of_maps(maps)
        familiarities = [self._familiarity(*card) for card in zip(front, back, inputs.present.tolist(), strict=True)]
        if needs_no_pixels(network):
            unfamiliar = torch.tensor([[False in familiarity] for familiarity in familiarities], device=front.device)
            front, back = (
                torch.where(unfamiliar, side.missing.to(features.dtype), features)
                for side, features in ((network.front, front), (network.back, back))
            )
        auxiliary = network.auxiliary_features(inputs.present, inputs.regions, inputs.measured)
        return network.fuse_and_score(front, back, auxiliary), familiarities

    def _familiarity(self, front: Tensor, back: Tensor, present: tuple[bool, bool]) -> Familiarity:
        checks = zip(self.domains, (front, back), present, strict=True)
        first, second = (
            None if domain is None or not is_present else domain.contains(features.float().cpu().numpy())
            for domain, features, is_present in checks
        )
        return first, second


def needs_no_pixels(network: DualBranch) -> bool:
    """True if the network was also trained on cards whose pixels were hidden."""
    return network.measured is not None and network.config.pixel_dropout > 0
