"""The one kind of error that the engine raises for its user's sake."""

from __future__ import annotations


class BadInput(ValueError):
    """Something given to the engine that it cannot use; the message names the thing, the value and the remedy."""
