"""Base class of the errors that the engine raises for its user."""

from __future__ import annotations


class BadInput(ValueError):
    """Input that the engine cannot use; the message names the thing, the value and the remedy."""
