"""Read environment variables and report wrong values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


class SettingsError(ValueError):
    """An environment variable has a value that it does not accept.

    ``str()`` returns one line: the variable, its value (never that of a secret), what it accepts.

    Args:
        variable: Name of the variable.
        held: Its value; None for a missing value or a secret.
        takes: What the variable accepts; it completes the sentence "it takes …".
    """

    def __init__(self, variable: str, held: str | None, takes: str) -> None:
        self.variable = variable
        shown = "" if held is None else f" holds {held!r}"
        super().__init__(f"{variable}{shown}: it takes {takes}")


@dataclass(frozen=True)
class Variable(Generic[T]):
    """One environment variable and everything that is known about it.

    Attributes:
        names: The name, followed by aliases that are read if it is not set.
        parse: Returns the parsed value, or raises ValueError with what the variable accepts.
        default: The value if none of the names is set.
        help: What the variable accepts and what it is for, as in the documentation (Markdown).
        shown: The default as in the documentation (Markdown); None derives it from ``default``.
        is_secret: Whether the value can also come from the file that ``NAME_FILE`` names, and is
            never shown.
    """

    names: tuple[str, ...]
    parse: Callable[[str], T]
    default: T
    help: str
    shown: str | None = None
    is_secret: bool = False

    @property
    def documented_names(self) -> tuple[str, ...]:
        """All names under which the value can be set."""
        return (*self.names, f"{self.names[0]}_FILE") if self.is_secret else self.names

    @property
    def documented_default(self) -> str:
        """The default in Markdown."""
        if self.shown is not None:
            return self.shown
        if self.default is None or self.default == ():
            return "none"
        if isinstance(self.default, bool):
            return f"`{str(self.default).lower()}`"
        return f"`{self.default:g}`" if isinstance(self.default, float) else f"`{self.default}`"


class Environment:
    """Read variables from a mapping. An empty value counts as not set."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def has(self, start: str) -> bool:
        """Return whether any variable is set whose name starts with ``start``."""
        return any(name.startswith(start) and held.strip() for name, held in self._values.items())

    def read(self, variable: Variable[T], default: T | None = None) -> T:
        """Return the value of the first name that is set, else the default.

        Args:
            variable: The variable to read.
            default: Replaces the variable's own default; None keeps it.

        Raises:
            SettingsError: The value is not accepted.
        """
        for name in variable.names:
            held = self._values.get(name, "").strip()
            if held:
                shown = None if variable.is_secret else held
                return parsed(name, held, variable.parse, shown=shown)
        if variable.is_secret:
            content = self._file(f"{variable.names[0]}_FILE")
            if content:
                return parsed(f"{variable.names[0]}_FILE", content, variable.parse, shown=None)
        return variable.default if default is None else default

    def _file(self, name: str) -> str | None:
        path = self._values.get(name, "").strip()
        if not path:
            return None
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise SettingsError(name, path, "the path of a readable text file") from None


def parsed(name: str, held: str, parse: Callable[[str], T], shown: str | None) -> T:
    """Return the parsed value.

    Args:
        name: Name of the variable.
        held: Its value.
        parse: Raises ValueError with what the variable accepts.
        shown: The value as an error may show it; None for a secret.

    Returns:
        The result of ``parse``.

    Raises:
        SettingsError: The value is not accepted.
    """
    try:
        return parse(held)
    except ValueError as error:
        raise SettingsError(name, shown, str(error)) from None
