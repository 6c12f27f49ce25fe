"""Redacts every text of a span, and only then cuts it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.semconv.attributes.exception_attributes import EXCEPTION_STACKTRACE
from opentelemetry.trace import Link, Status
from opentelemetry.util.types import Attributes

from etter_obs._internal.redaction.plain_values import cut, cut_start

Redact = Callable[[str, object], object]
"""Accepts an attribute's name and value; returns the value that may leave the process."""
_LEEWAY: Final = 4
"""Factor of the first cut over the final length: cutting early could leave half a secret, and
redaction shortens a text."""


class Lengths(NamedTuple):
    """The longest texts of a span's attributes, and of all other texts, in characters."""

    span: int
    other: int

    @property
    def taken(self) -> Lengths:
        """Return the lengths that the SDK may keep until the redaction."""
        return Lengths(self.span * _LEEWAY, self.other * _LEEWAY)


LENGTHS: Final = Lengths(16_384, 16_384)
"""Defaults of OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT and its variants; a stack trace fits."""


def redacted(span: ReadableSpan, redact: Redact, lengths: Lengths = LENGTHS) -> ReadableSpan:
    """Return the span with every text redacted, then cut.

    Args:
        span: the finished span.
        redact: returns the redacted text, given a key and a text.
        lengths: the longest texts in characters.

    Returns:
        A redacted copy, or the same span if nothing changes.
    """

    def shown(key: str, text: str) -> str:
        return cut(str(redact(key, text)), lengths.other)

    name = shown("name", span.name)
    given = span.attributes  # each read of the property returns a new copy
    attributes = _redacted_attributes(given, redact, lengths.span)
    events = [
        Event(
            shown("name", event.name),
            _redacted_attributes(event.attributes, redact, lengths.other),
            event.timestamp,
        )
        for event in span.events
    ]
    links = [
        Link(link.context, _redacted_attributes(link.attributes, redact, lengths.other))
        for link in span.links
    ]
    status = span.status
    if status.description:
        status = Status(status.status_code, shown("description", status.description))
    clean = attributes is given and name == span.name and status is span.status
    if clean and not events and not links:
        return span
    return ReadableSpan(
        name=name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=events,
        links=links,
        kind=span.kind,
        status=status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _redacted_attributes(attributes: Attributes, redact: Redact, length: int) -> Attributes:
    given = list((attributes or {}).items())
    shown = [
        (_shown_key(redact, key), _shown_value(key, value, redact, length)) for key, value in given
    ]
    return attributes if shown == given else dict(shown)  # type: ignore[arg-type]  # text stays text


@lru_cache(maxsize=1024)
def _shown_key(redact: Redact, key: str) -> str:
    return str(redact("", key))


def _shown_value(key: str, value: object, redact: Redact, length: int) -> object:
    if isinstance(value, str):
        shown = redact(key, value) if len(value) <= length else None
        if shown is value:
            return value
        shorten = cut_start if key == EXCEPTION_STACKTRACE else cut  # a stack's end matters
        # The SDK may have cut it in the middle of a word.
        return shorten(str(redact(key, shorten(value, length * _LEEWAY - 1))), length)
    if isinstance(value, (tuple, list)):
        shown = redact(key, tuple(value))
        if not isinstance(shown, tuple):
            return tuple(shown for _ in value)
        return tuple(cut(item, length) if isinstance(item, str) else item for item in shown)
    return redact(key, value)
