"""As much of PromQL's grammar as is needed to name what an expression reads.

Prometheus's own parser has the last word (promtool, in the tests); this serves the linter, which
runs where no promtool is.
"""

from __future__ import annotations

import re
from typing import Final

_STRING: Final = r'"(?:[^"\\]|\\.)*"'
_NOISE: Final = re.compile(
    rf"{_STRING}"  # label values
    r"|\{[^{}]*\}"  # matchers
    r"|\[[^\]]*\]"  # ranges
    r"|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)"
    r"|\b(?:and|or|unless|bool|offset|by|without|on|ignoring|group_left|group_right)\b"
)
_NAME: Final = re.compile(r"(?<![\w:.$])[A-Za-z_:][\w:]*(?!\s*\()(?![\w:])")
_RANGE: Final = re.compile(r"\b(\w+)\s*\((?:[^()]*?)\[([^\]]+)\]")
_MADE: Final = re.compile(rf', "(\w+)", {_STRING}, "\w+", {_STRING}\)')
"""The label that a ``label_replace`` writes."""
_LABEL: Final = re.compile(r"[A-Za-z_]\w*")


def metric_names(expr: str) -> set[str]:
    """Return the names of the series that a PromQL expression selects."""
    bare = re.sub(_STRING, '""', expr)
    return set(_NAME.findall(_NOISE.sub(" ", bare)))


def ranges(expr: str) -> list[tuple[str, str]]:
    """Return every function applied to a range and the range: ``("rate", "5m")``."""
    return _RANGE.findall(re.sub(_STRING, '""', expr))


def words(expr: str) -> set[str]:
    """Return every word of an expression outside its strings, and labels that it makes."""
    return set(_LABEL.findall(re.sub(_STRING, '""', expr))) | set(_MADE.findall(expr))
