"""Batch normalization synchronized over all ranks: two ranks train like one process with the whole batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce


class SyncBatchNorm2d(nn.BatchNorm2d):
    """nn.BatchNorm2d that, in training, uses the statistics of the whole batch over all ranks.

    torch.nn.SyncBatchNorm does not support the CPU. The mean and squared deviations of each rank are combined in
    float64 (Chan, Golub and LeVeque, 1983) to avoid cancellation. A rank may have no cards.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) of this rank -> the same shape, normalized."""
        if not self.training:
            return super().forward(x)
        dims, features = (0, 2, 3), x.shape[1]
        values, count = x.to(torch.promote_types(x.dtype, torch.float32)), x.numel() // features
        local_mean = values.sum(dims) / max(1, count)
        deviation = (values - local_mean[:, None, None]).square().sum(dims).double()
        local_mean = local_mean.double()
        sums = all_reduce(
            torch.cat([count * local_mean, deviation + count * local_mean.square(), local_mean.new_tensor([count])])
        )
        total_count = sums[-1].detach()
        mean, mean_square = sums[:features] / total_count, sums[features:-1] / total_count
        variance = mean_square - mean.square()
        self._update_running_statistics(mean.detach(), variance.detach() * total_count / (total_count - 1).clamp(min=1))
        scale = (variance + self.eps).rsqrt().to(values.dtype) * self.weight
        shift = self.bias - mean.to(values.dtype) * scale
        return (values * scale[:, None, None] + shift[:, None, None]).to(x.dtype)

    @torch.no_grad()
    def _update_running_statistics(self, mean: Tensor, variance: Tensor) -> None:
        assert self.momentum is not None, "momentum=None is not supported"
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), self.momentum)


def convert_sync_batch_norm(module: nn.Module) -> None:
    """Replace every nn.BatchNorm2d of the module in place, keeping its weights and running statistics."""
    for name, child in module.named_children():
        if type(child) is nn.BatchNorm2d:
            synchronized = SyncBatchNorm2d(child.num_features, eps=child.eps, momentum=child.momentum).to(child.weight)
            synchronized.load_state_dict(child.state_dict())
            setattr(module, name, synchronized)
        else:
            convert_sync_batch_norm(child)
