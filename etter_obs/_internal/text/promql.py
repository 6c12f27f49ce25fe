"""PromQL built from parts. Label values are quoted here, once; nothing is spliced into text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from etter_obs._internal.conventions import Label
from etter_obs._internal.text.units import duration_text

_REGEX_SPECIAL: Final = re.compile(r"([\\.+*?()|\[\]{}^$])")


def quoted(text: str) -> str:
    """Write a PromQL string literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    # As it is, PromQL takes this character for a sign of text that is not UTF-8.
    escaped = escaped.replace("\ufffd", "\\ufffd")
    return f'"{escaped}"'


def equals(label: str, value: str) -> str:
    """Write ``label="value"``."""
    return f"{label}={quoted(value)}"


def differs(label: str, value: str) -> str:
    """Write ``label!="value"``."""
    return f"{label}!={quoted(value)}"


def matches(label: str, pattern: str) -> str:
    """Write ``label=~"pattern"``; the pattern is RE2, anchored by Prometheus."""
    return f"{label}=~{quoted(pattern)}"


def matches_not(label: str, pattern: str) -> str:
    """Write ``label!~"pattern"``."""
    return f"{label}!~{quoted(pattern)}"


def one_of(label: str, values: Iterable[str]) -> str:
    """Write the matcher for exactly these values."""
    items = sorted(set(values))
    return equals(label, items[0]) if len(items) == 1 else matches(label, _alternatives(items))


def none_of(label: str, values: Iterable[str]) -> str:
    """Write the matcher for every value but these."""
    items = sorted(set(values))
    return differs(label, items[0]) if len(items) == 1 else matches_not(label, _alternatives(items))


def _alternatives(items: Iterable[str]) -> str:
    return "|".join(_REGEX_SPECIAL.sub(r"\\\1", item) for item in items)


def series(metric: str, matchers: Iterable[str]) -> str:
    """Write ``metric{matcher,…}``."""
    return f"{metric}{{{','.join(matchers)}}}"


def any_series(metrics: Iterable[str], *matchers: str) -> str:
    """Write the selector of several metrics; `or` between them would drop equal label sets."""
    return series("", (one_of("__name__", metrics), *matchers))


def scraped(service: str, environment: str) -> tuple[str, str]:
    """Return the matchers of everything that the service's own scrape job brings."""
    return equals(Label.JOB, service), equals(Label.ENVIRONMENT, environment)


def over_time(function: str, selector: str, window: Decimal) -> str:
    """Write e.g. ``sum_over_time(selector[1h])``.

    Args:
        function: such as ``sum_over_time``.
        selector: of the series.
        window: seconds.
    """
    return f"{function}({selector}[{duration_text(window)}])"


def template_literal(text: str) -> str:
    """Protect text of a person's from the template language of rule annotations."""
    return text.replace("{{", '{{ "{{" }}')
