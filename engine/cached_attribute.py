"""Attribute computed at its first use, without a lock over all instances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

Value = TypeVar("Value")


class cached_attribute(Generic[Value]):  # noqa: N801  # used like functools.cached_property
    """functools.cached_property as it is since Python 3.12: two instances compute at the same time.

    In Python 3.11 it holds one lock per class, so that the two sides of a card would be measured one after the other.
    """

    def __init__(self, compute: Callable[[Any], Value]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> Value: ...

    def __get__(self, instance: object | None, owner: type) -> Self | Value:
        """The value; without __set__, the stored one is found before this descriptor."""
        if instance is None:
            return self
        return instance.__dict__.setdefault(self._name, self._compute(instance))
