"""PromQL from slo.yaml: compacting, inspection and replacement of placeholders.

The module splits it into quoted strings, comments and the rest, which follow different rules.
Prometheus receives quoted strings unchanged. Outside quotes PromQL has no ``$``, so ``$selector``
can be a placeholder without an escape.
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
    """Return PromQL without comments, with one space per run of white space.

    Raises:
        ValueError: a quotation mark is not closed, or the text holds only comments.
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
    """Return PromQL with ``$selector`` and ``[$interval]`` replaced.

    Args:
        text: PromQL with placeholders.
        selector: replaces ``$selector``.
        interval: replaces ``[$interval]``.
    """
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
    """Return ``name`` of each ``$name`` within a string, where it is not a placeholder."""
    strings = (part for kind, part in parts(text) if kind == "quoted")
    return [name for string in strings for name in _IN_QUOTES.findall(string) if name]


def words(text: str) -> list[str]:
    """Return the words outside strings: names of metrics, labels and functions."""
    return _WORD.findall(_bare(text))


def unbalanced(text: str) -> str | None:
    """Return what is wrong with the brackets, None if they are balanced."""
    opened: list[str] = []
    for character in _bare(text):
        if character in _CLOSES.values():
            opened.append(character)
        elif character in _CLOSES and (not opened or opened.pop() != _CLOSES[character]):
            return f"{character!r} closes nothing"
    return f"{opened[-1]!r} is not closed" if opened else None


def _bare(text: str) -> str:
    """Return the PromQL with empty strings."""
    return "".join('""' if kind == "quoted" else part for kind, part in parts(text))


def parts(text: str) -> Iterator[tuple[str, str]]:
    """Yield each part of the text with its kind; joined, the parts are the text."""
    for match in _PART.finditer(text):
        yield str(match.lastgroup), match[0]
