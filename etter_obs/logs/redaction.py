"""One set of rules that keeps secrets out of logs, spans and error reports.

A value is hidden when the key it stands under names a secret, or when its text has the shape of
one. Both rules err on the side of hiding: a log line that says too little can be repaired, a leaked
password cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from etter_obs.logs.patterns import (
    CARD,
    CARD_LENGTH,
    REDACTED,
    candidates,
    hide_card,
    is_sensitive,
    suspicious,
)

__all__ = ["REDACTED", "Redactor"]

_MAX_DEPTH: Final = 12
_MAX_REMEMBERED: Final = 4096
_MAX_LENGTH: Final = 128


class Redactor:
    """Hides secrets in text, in single values and in nested mappings."""

    def text(self, text: str) -> str:
        """Return ``text`` with every secret in it replaced by :data:`REDACTED`.

        A text without any comes back as it is, the same object.
        """
        if not suspicious(text):
            return text
        for rule in candidates(text):
            text = rule.pattern.sub(rule.replacement, text)
        return CARD.sub(hide_card, text) if len(text) >= CARD_LENGTH else text

    def value(self, key: str, value: Any) -> Any:
        """Return what may be shown of ``value``, which stands under ``key``.

        Strings, whole numbers, mappings and sequences are looked into; other objects come back
        as they are.
        """
        return self._value(key, value, _MAX_DEPTH)

    def mapping(self, mapping: Mapping[str, Any]) -> dict[str, Any]:
        """Return a copy of ``mapping`` without its secrets, at any depth, keys included."""
        return self._mapping(mapping, _MAX_DEPTH)

    def _mapping(self, mapping: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        return {
            self.text(key) if isinstance(key, str) else key: self._value(str(key), value, depth)
            for key, value in mapping.items()
        }

    def _value(self, key: str, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if is_sensitive(key):
            return REDACTED
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int):
            digits = str(value) if 10**12 <= value < 10**19 else ""
            return REDACTED if digits and self.text(digits) is not digits else value
        if depth == 0:
            return REDACTED
        if isinstance(value, Mapping):
            return self._mapping(value, depth - 1)
        if isinstance(value, list | tuple):
            items = [self._value("", item, depth - 1) for item in value]
            return tuple(items) if type(value) is tuple else items
        return value


class CleanTexts:
    """Remembers texts in which no rule finds anything: routes, events and keys come again."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        """Texts that are known to be clean."""

    def are(self, texts: list[str]) -> bool:
        """Tell whether all of ``texts`` are clean, and remember it."""
        if suspicious("\n".join(texts)):
            return False
        if len(self.known) + len(texts) > _MAX_REMEMBERED:
            self.known.clear()
        self.known.update([text for text in texts if len(text) <= _MAX_LENGTH])
        return True
