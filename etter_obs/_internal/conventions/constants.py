"""Read the constants of a namespace as a list."""

from __future__ import annotations

from types import ModuleType


def constants_of(namespace: type | ModuleType) -> tuple[str, ...]:
    """Return the values of a class or a module of constants, such as ``Label``, in their order."""
    return tuple(value for name, value in vars(namespace).items() if name.isupper())
