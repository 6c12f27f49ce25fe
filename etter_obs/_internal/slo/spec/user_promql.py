"""PromQL that a person wrote in slo.yaml: made compact, looked at, and filled.

It is taken apart into quoted strings, comments and the rest, for each follows rules of its own.
Quoted text reaches Prometheus byte for byte. Outside of quotes PromQL knows no ``$``,
so that there ``$selector`` can stand for something and nothing needs an escape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_PART: Final = re.compile(
    r"(?P<quoted>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)"
    r"|(?P<blank>(?:\s|\#[^\r\n]*)+)"
    r"|(?P<interval>\[\s*\$interval\s*\])"
    r"|(?P<placeholder>\$\w*)"
    r"|(?P<open>[\"'`])"
    r"|(?P<other>[^\s\"'`\#$\[]+|\[)"
)
_IN_QUOTES: Final = re.compile(r"\$(?:\$|([A-Za-z_]\w*))")
_WORD: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_CLOSES: Final = {")": "(", "]": "[", "}": "{"}


def compact(text: str) -> str:
    """Return PromQL without its comments, and with one space for each stretch of white space.

    Raises:
        ValueError: a quotation mark is not closed, or there is nothing but comments.
    """
    kept: list[str] = []
    for kind, part in parts(text):
        if kind == "open":
            raise ValueError("a quotation mark is not closed")
        kept.append(" " if kind == "blank" else part)
    found = "".join(kept).strip()
    if not found:
        raise ValueError("the PromQL is empty")
    return found


def filled(text: str, selector: str, interval: str) -> str:
    """Put ``selector`` for ``$selector`` and ``interval`` for ``[$interval]``."""
    values = {"placeholder": selector, "interval": interval}
    return "".join(values.get(kind, part) for kind, part in parts(text))


def placeholders(text: str) -> list[str]:
    """Return the placeholders: ``$selector``, ``[$interval]``, and unknown ones."""
    return [
        "[$interval]" if kind == "interval" else part
        for kind, part in parts(text)
        if kind in ("interval", "placeholder")
    ]


def names_in_quotes(text: str) -> list[str]:
    """Return ``name`` of each ``$name`` within a string, where it has no meaning."""
    strings = (part for kind, part in parts(text) if kind == "quoted")
    return [name for string in strings for name in _IN_QUOTES.findall(string) if name]


def words(text: str) -> list[str]:
    """Return the words outside of strings: names of metrics, labels and functions."""
    return _WORD.findall(_bare(text))


def unbalanced(text: str) -> str | None:
    """Return what is wrong with the brackets, None where each has its other."""
    opened: list[str] = []
    for character in _bare(text):
        if character in _CLOSES.values():
            opened.append(character)
        elif character in _CLOSES and (not opened or opened.pop() != _CLOSES[character]):
            return f"{character!r} closes nothing"
    return f"{opened[-1]!r} is not closed" if opened else None


def _bare(text: str) -> str:
    """The PromQL with its strings emptied."""
    return "".join('""' if kind == "quoted" else part for kind, part in parts(text))


def parts(text: str) -> Iterator[tuple[str, str]]:
    """Yield each part of the text with its kind; together they are the text."""
    for match in _PART.finditer(text):
        yield str(match.lastgroup), match[0]
