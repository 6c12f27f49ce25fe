"""The redactor, which keeps secrets out of logs, spans and error reports.

A value is hidden if its key names a secret or if its text has the shape of a secret. Both rules
prefer to hide too much: a log line with too little can be fixed, a leaked password cannot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

from etter_obs._internal.redaction.named_values import REDACTED
from etter_obs._internal.redaction.patterns import Rules
from etter_obs._internal.redaction.secret_names import SecretNames
from etter_obs._internal.redaction.user_pattern import UserPattern

__all__ = ["HARMLESS", "NUMBERS", "REDACTED", "CleanTexts", "Redactor"]

NUMBERS: Final = frozenset({int, float})
HARMLESS: Final = 10**12 - 1
"""Numbers between this and its negative have too few digits for a card number: no rule applies."""

_MAX_DEPTH: Final = 12
_MAX_REMEMBERED: Final = 4096
_MAX_LENGTH: Final = 128
_MAX_ENCODINGS: Final = 4
_ENCODED: Final = re.compile(r"(?<![^\s\"'<>])[^\s\"'<>]*?%[0-7][0-9A-Fa-f][^\s\"'<>]*")
# A key of this name beside a `value` names it: a header, a cookie, a field of a form.
_NAMING: Final = ("name", "key")
_INVALID: Final = {"loc", "msg", "input"}
"""Keys of an error in which Pydantic and FastAPI report rejected input."""
_CARDS: Final = range(HARMLESS + 1, 10**19)
"""Whole numbers with as many digits as a card number."""


class Redactor:
    """Hide secrets in text, in single values and in nested mappings.

    Args:
        names: The app's own names of secrets, in addition to the known ones.
        pattern: An RE2 regular expression that matches further secrets, or None.

    Raises:
        ValueError: ``pattern`` cannot be used; the text says what it takes.
    """

    def __init__(self, names: Iterable[str] = (), pattern: str | None = None) -> None:
        self.names = SecretNames(names)
        """The names of secrets."""
        self.has_pattern = pattern is not None
        """Whether the app's own pattern must see every text."""
        self._rules = Rules(self.names)
        self._hide_own = _as_it_is if pattern is None else UserPattern(pattern).hide

    def text(self, text: str) -> str:
        """Return ``text`` with every secret replaced by ``REDACTED``.

        A text without secrets is returned as the same object.
        """
        if not self.may_match(text):
            return self._hide_own(text)
        text = self._by_rules(text)
        return _ENCODED.sub(self._decoded, text) if "%" in text else text

    def may_match(self, text: str) -> bool:
        """Return, in about a microsecond, whether a rule other than the app's own may match."""
        return self._rules.may_match(text)

    def value(self, key: str, value: Any) -> Any:
        """Return ``value``, which belongs to ``key``, without its secrets.

        Text (also as bytes), numbers, mappings and sequences are redacted; other objects are
        returned unchanged.
        """
        return self._value(key, value, _MAX_DEPTH)

    def mapping(self, mapping: Mapping[str, Any]) -> dict[str, Any]:
        """Return a copy of ``mapping`` without its secrets, at any depth, keys included."""
        return self._mapping(mapping, _MAX_DEPTH)

    def _mapping(self, mapping: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        shown = {
            self.text(key) if isinstance(key, str) else key: self._value(str(key), value, depth)
            for key, value in mapping.items()
        }
        if "value" in shown and any(self.names.know(str(mapping.get(key, ""))) for key in _NAMING):
            shown["value"] = REDACTED
        if shown.keys() >= _INVALID:
            shown["input"] = REDACTED
        return shown

    def _value(self, key: str, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if self.names.know(key):
            return REDACTED
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int | float):
            return REDACTED if self._is_secret(value) else value
        if isinstance(value, bytes):
            text = value.decode("utf-8", "backslashreplace")
            shown = self.text(text)
            return value if shown is text else shown
        if depth == 0:
            return REDACTED
        if isinstance(value, Mapping):
            return self._mapping(value, depth - 1)
        if isinstance(value, list | tuple):
            items = self._items(value, depth - 1)
            return tuple(items) if type(value) is tuple else items
        return value

    def _items(self, items: Sequence[Any], depth: int) -> list[Any]:
        """Return ``items`` without their secrets; two items may be a name and its value."""
        name = ""
        if len(items) == 2 and isinstance(items[0], str | bytes):
            name = items[0] if isinstance(items[0], str) else items[0].decode("latin-1")
        return [self._value(name if index else "", item, depth) for index, item in enumerate(items)]

    def _is_secret(self, number: float) -> bool:
        if self.has_pattern and self._hide_own(shown := str(number)) is not shown:
            return True
        if not _CARDS.start <= abs(number) < _CARDS.stop or number != int(number):
            return False
        digits = str(abs(int(number)))
        return self.text(digits) is not digits

    def _by_rules(self, text: str) -> str:
        return self._hide_own(self._rules.apply(text))

    def _decoded(self, match: re.Match[str]) -> str:
        """Return a percent-encoded word unchanged, or decoded and redacted if it contains a secret.

        A doubly encoded word is decoded twice. A space becomes a plus, as in a form, so that it
        does not end a value. If only the text with spaces contains a secret, the whole word is
        hidden.
        """
        text, secret = match[0], False
        for _ in range(_MAX_ENCODINGS):
            decoded = unquote(text).replace(" ", "+")
            if decoded == text:
                return text if secret else match[0]
            text = self._by_rules(decoded)
            secret = secret or text != decoded
            spaced = text.replace("+", " ")
            if self._by_rules(spaced) != spaced:
                return REDACTED
        return REDACTED


def _as_it_is(text: str) -> str:
    return text


class CleanTexts:
    """Remember texts in which no rule finds anything, because routes, events and keys repeat."""

    def __init__(self, redactor: Redactor) -> None:
        self._may_match = redactor.may_match
        self.known: set[str] = set()
        """Texts that are known to be clean."""

    def are(self, texts: list[str]) -> bool:
        """Return whether all of ``texts`` are clean, and remember them if so."""
        if self._may_match("\n".join(texts)):
            return False
        if len(self.known) + len(texts) > _MAX_REMEMBERED:
            self.known.clear()
        self.known.update([text for text in texts if len(text) <= _MAX_LENGTH])
        return True
