"""What may leave of a span: every text in it is redacted, and only then cut."""

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
"""Takes an attribute's name and value, returns the value that may leave the process."""
_LEEWAY: Final = 4
"""How many times as much of a text is taken as is sent: what is cut first could be half a secret,
and what is hidden leaves room."""


class Lengths(NamedTuple):
    """The longest texts of a span's attributes, and of all others, in characters."""

    span: int
    other: int

    @property
    def taken(self) -> Lengths:
        """How much of a text the SDK may keep until its secrets are out."""
        return Lengths(self.span * _LEEWAY, self.other * _LEEWAY)


LENGTHS: Final = Lengths(16_384, 16_384)
"""Unless OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT or its kin say otherwise: a stack fits."""


def redacted(span: ReadableSpan, redact: Redact, lengths: Lengths = LENGTHS) -> ReadableSpan:
    """Return the span with every text in it redacted, then cut; itself where nothing had to be."""

    def shown(key: str, text: str) -> str:
        return cut(str(redact(key, text)), lengths.other)

    name = shown("name", span.name)
    given = span.attributes  # made anew whenever it is asked for
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
    return attributes if shown == given else dict(shown)  # type: ignore[arg-type]  # a text stays one


@lru_cache(maxsize=1024)
def _shown_key(redact: Redact, key: str) -> str:
    return str(redact("", key))


def _shown_value(key: str, value: object, redact: Redact, length: int) -> object:
    if isinstance(value, str):
        shown = redact(key, value) if len(value) <= length else None
        if shown is value:
            return value
        shorten = cut_start if key == EXCEPTION_STACKTRACE else cut  # a stack says at its end what
        # The SDK may have cut it in the middle of a word.
        return shorten(str(redact(key, shorten(value, length * _LEEWAY - 1))), length)
    if isinstance(value, (tuple, list)):
        shown = redact(key, tuple(value))
        if not isinstance(shown, tuple):
            return tuple(shown for _ in value)
        return tuple(cut(item, length) if isinstance(item, str) else item for item in shown)
    return redact(key, value)
