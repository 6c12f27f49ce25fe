"""The part of TraceQL that the dashboards use: one set of conditions that a single span meets.

``{ resource.service.name = "shop" && kind = server && name =~ `.*/pay` && duration > 100ms }``
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

_CONDITION: Final = re.compile(
    r"""\s*(?P<field>[\w.]+)\s*(?P<operator>=~|!=|>=|<=|=|>|<)\s*
    (?P<value>"(?:[^"\\]|\\.)*"|`[^`]*`|[\w.]+)\s*""",
    re.VERBOSE,
)
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_NANOS: Final = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_LONGEST: Final = 4096


class TraceQLError(ValueError):
    """The query is not in the part of TraceQL that is understood; the message shows where."""


@dataclass(frozen=True, slots=True)
class StoredSpan:
    """A span as the collector exported it, times in nanoseconds."""

    trace_id: str
    name: str
    kind: str
    status: str
    start: int
    duration: int
    root: bool
    attributes: Mapping[str, object]
    resource: Mapping[str, object]
    raw: Mapping[str, Any]


Matcher = Callable[[StoredSpan], bool]


def parse(query: str) -> Matcher:
    """Return whether a span meets the query.

    Raises:
        TraceQLError: The query is something else than conditions joined by ``&&``.
    """
    text = query.strip()
    if len(text) > _LONGEST or not (text.startswith("{") and text.endswith("}")):
        raise TraceQLError(f"expected {{ conditions joined by && }}: {text[:80]}")
    inner = text[1:-1].strip()
    matchers: list[Matcher] = []
    at = 0
    while at < len(inner):
        found = _CONDITION.match(inner, at)
        if found is None:
            raise TraceQLError(f"not understood: {inner[at : at + 80]}")
        matchers.append(_matcher(found["field"], found["operator"], found["value"]))
        at = found.end()
        if at < len(inner):
            if not inner.startswith("&&", at):
                raise TraceQLError(f"expected &&: {inner[at : at + 80]}")
            at += 2
    return lambda span: all(matches(span) for matches in matchers)


def _matcher(field: str, sign: str, written: str) -> Matcher:
    held = _field(field)
    if sign == "=~":
        try:
            pattern = re.compile(_string(written))
        except re.error as error:
            raise TraceQLError(f"{written[:80]}: {error}") from None
        return lambda span: (
            (value := held(span)) is not None and bool(pattern.fullmatch(str(value)))
        )
    if written == "nil":
        present = sign == "!="
        return lambda span: (held(span) is not None) is present
    wanted = _value(written)
    compare = _COMPARE[sign]

    def matches(span: StoredSpan) -> bool:
        value = held(span)
        if value is None:
            return False
        if isinstance(wanted, str):
            return compare(str(value), wanted)
        return isinstance(value, int | float) and compare(value, wanted)

    return matches


def _field(name: str) -> Callable[[StoredSpan], object]:
    if name in ("name", "kind", "status", "duration"):
        return operator.attrgetter(name)
    scope, _, key = name.partition(".")
    if scope == "resource":
        return lambda span: span.resource.get(key)
    if scope == "span":
        return lambda span: span.attributes.get(key)
    raise TraceQLError(f"no such field: {name}")


def _string(written: str) -> str:
    if written.startswith('"'):
        return re.sub(r"\\(.)", r"\1", written[1:-1])
    return written.strip("`")


def _value(written: str) -> str | float:
    if written[0] in '"`':
        return _string(written)
    if duration := _DURATION.fullmatch(written):
        return float(duration[1]) * _NANOS[duration[2]]
    try:
        return float(written)
    except ValueError:
        return written  # kind = server, status = error
