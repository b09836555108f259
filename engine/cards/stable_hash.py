"""Chance that hangs on a name and a seed alone: whatever else is there or comes, it falls alike. Free of torch."""

from __future__ import annotations

import hashlib


def lot(name: str, seed: int) -> str:
    """A name's lot, 64 hex digits: sorted by their lots, names stand in an order that the seed draws."""
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()
