"""Classify SQL statements and remove their values."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

KINDS: Final = ("select", "insert", "update", "delete", "other")
"""The values of the label ``query_type``."""

_MAX_TEXT: Final = 4_096
"""Characters read and kept: a bulk insert may have megabytes, its beginning is enough."""
_MAX_CACHED: Final = 1_024
_MAX_SHOWN: Final = 1_000
# Dialects differ in the meaning of a backslash before a quote. After one, the end of the text is
# unknown, so the rest counts as value. "…" is a name in most dialects and a text in MySQL; it
# counts as a name only where only a name is possible.
_PARTS: Final = re.compile(
    r"""
      (?P<name> (?:\b(?:from|join|into|update|table|only)\s+|\.\s*) "[^"]*"(?!") | "[^"]*"(?=\s*\.)
        | `[^`]*` )
    | (?P<comment> --[^\n]* | \#(?![>\-#])[^\n]* | /\*(?:(?!\*/|/\*).)*(?:\*/|/\*.*|\Z) )
    | \b[eE]'(?:[^'\\]|''|\\.)*+(?:'|\Z)                # PostgreSQL: here a backslash does escape
    | '(?:[^'\\]|''|\\[^'])*+(?:'|\\'.*|\\?\Z)          # a text, also one that was cut off
    | "(?:[^"\\]|""|\\[^"])*+(?:"|\\".*|\\?\Z)
    | \$([A-Za-z_]\w*)?\$ .*? (?:\$(?(3)\3)\$|\Z)       # PostgreSQL's $tag$ text $tag$
    | (?<![\w$@:?.]) -?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\b  # no part of a name
    | (?<!\w) 0[xX][0-9a-fA-F]+ \b
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_IGNORED: Final = re.compile(r"[\s(]+")
_WORD: Final = re.compile(r"[A-Za-z]+")
_AFTER_WITH: Final = re.compile(r"\b(?:select|insert|update|delete|merge)\b|[()]", re.IGNORECASE)
_SPACE: Final = re.compile(r"\s+")


class Statement(NamedTuple):
    """The kind of a statement (one of ``KINDS``) and its text with ``?`` for every value."""

    kind: str
    shown: str


class Statements:
    """A cache of recent statements, so that a repeated statement costs one lookup."""

    def __init__(self) -> None:
        self._known: dict[str, Statement] = {}

    def __call__(self, text: str) -> Statement:
        """Return the kind and the text of a statement."""
        known = self._known.get(text)
        if known is None:
            if len(text) > _MAX_TEXT:
                # The whole text must not be kept as a key.
                text = text[:_MAX_TEXT]
            known = describe(text)
            if len(self._known) >= _MAX_CACHED:
                # SQL with values in its text differs each time; repeated statements are added
                # again.
                self._known.clear()
            self._known[text] = known
        return known


def describe(text: str) -> Statement:
    """Return the kind of a SQL text, and the text without values and comments."""
    shown = without_values(text)
    return Statement(_kind(shown), _SPACE.sub(" ", shown)[:_MAX_SHOWN].strip())


def without_values(text: str) -> str:
    """Return a SQL text with ``?`` for every value and without comments."""
    return _PARTS.sub(_shown, text)


def _shown(part: re.Match[str]) -> str:
    return " " if part["comment"] else part["name"] or "?"


def _kind(text: str) -> str:
    """Return the kind of a text without values and comments, which could contain anything."""
    ignored = _IGNORED.match(text)
    at = ignored.end() if ignored else 0
    word = _WORD.match(text, at)
    verb = word[0].lower() if word else ""
    if verb == "with":
        # The verb of a common table expression is the first one outside its parentheses.
        depth = 0
        for token in _AFTER_WITH.finditer(text, at):
            if token[0] == "(":
                depth += 1
            elif token[0] == ")":
                depth -= 1
            elif depth == 0:
                verb = token[0].lower()
                break
    return verb if verb in KINDS else "other"
