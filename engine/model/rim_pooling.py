"""Pooling of an encoder's map by the parts of the card: wear sits at its edges and corners."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.config import Pooling

# Cells of the encoder's map: at 704 x 512 pixels a cell covers about 4 mm of the card.
EDGE_CELLS, CORNER_CELLS = 1, 3
# Mean of the whole side, mean and maximum over the edges, mean and maximum over the corners.
PARTS = 5


def pool(features: Tensor, pooling: Pooling) -> Tensor:
    """Summarize an encoder's map, (B, C, h, w), as the setting `pooling` says: (B, C) or (B, PARTS C)."""
    return pool_rim(features) if pooling == "rim" else features.mean(dim=(2, 3))


def pool_rim(features: Tensor) -> Tensor:
    """Summarize a map whose borders are the card's edges, (B, C, h, w) with h and w at least 7, as (B, PARTS C).

    The maximum is over the means of the four edges, or of the four corners: PSA grades a card by its worst.
    """
    between = slice(CORNER_CELLS, -CORNER_CELLS)
    first, last = slice(None, EDGE_CELLS), slice(-EDGE_CELLS, None)
    start, end = slice(None, CORNER_CELLS), slice(-CORNER_CELLS, None)
    edges = _means(features, ((first, between), (last, between), (between, first), (between, last)))
    corners = _means(features, ((start, start), (start, end), (end, start), (end, end)))
    parts = (features.mean(dim=(2, 3)), edges.mean(dim=0), edges.amax(dim=0), corners.mean(dim=0), corners.amax(dim=0))
    return torch.cat(parts, dim=1)


def _means(features: Tensor, places: tuple[tuple[slice, slice], ...]) -> Tensor:
    return torch.stack([features[:, :, rows, columns].mean(dim=(2, 3)) for rows, columns in places])
