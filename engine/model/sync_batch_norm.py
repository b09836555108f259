"""Batch normalisation over the cards of all processes, so that two processes learn what one would."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.distributed import Total


class SharedBatchNorm(nn.BatchNorm2d):
    """nn.BatchNorm2d whose statistics in training are those of the whole batch, wherever its cards lie.

    torch's own SyncBatchNorm refuses a CPU. Means and squares are combined in float64 from each process's own mean and
    squared deviations (Chan, Golub and LeVeque, 1983), so that nothing is lost by cancellation; a process may be
    without a card.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w), B of this process alone -> the same, normalised."""
        if not self.training:
            return super().forward(x)
        places, features = (0, 2, 3), x.shape[1]
        seen, count = x.to(torch.promote_types(x.dtype, torch.float32)), x.numel() // features
        own_mean = seen.sum(places) / max(1, count)
        deviation = (seen - own_mean[:, None, None]).square().sum(places).double()
        own_mean = own_mean.double()
        sums = Total.apply(
            torch.cat([count * own_mean, deviation + count * own_mean.square(), own_mean.new_tensor([count])])
        )
        every = sums[-1].detach()
        mean, square = sums[:features] / every, sums[features:-1] / every
        variance = square - mean.square()
        self._remember(mean.detach(), variance.detach() * every / (every - 1).clamp(min=1))
        scale = (variance + self.eps).rsqrt().to(seen.dtype) * self.weight
        shift = self.bias - mean.to(seen.dtype) * scale
        return (seen * scale[:, None, None] + shift[:, None, None]).to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics a step towards a batch's."""
        assert self.momentum is not None, "torchvision's networks have one"
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), self.momentum)


def share_batch_statistics(module: nn.Module) -> None:
    """Replace every nn.BatchNorm2d in the module, in place; its weights and statistics stay."""
    for name, child in module.named_children():
        if type(child) is nn.BatchNorm2d:
            shared = SharedBatchNorm(child.num_features, eps=child.eps, momentum=child.momentum).to(child.weight)
            shared.load_state_dict(child.state_dict())
            setattr(module, name, shared)
        else:
            share_batch_statistics(child)
