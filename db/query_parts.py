"""Parts of long lists of values, so that a query has no more of them than the database takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

VALUES_PER_QUERY = 500  # SQLite takes at most 999 values in a query of an older version

Item = TypeVar("Item")


def query_parts(values: Sequence[Item], size: int = VALUES_PER_QUERY) -> Iterator[Sequence[Item]]:
    """Consecutive parts of at most `size` values."""
    return (values[start : start + size] for start in range(0, len(values), size))
