"""Redacts every text of a span, and only then cuts it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.semconv.attributes.exception_attributes import EXCEPTION_STACKTRACE
from opentelemetry.trace import Link, Status
from opentelemetry.util.types import Attributes

from etter_obs._internal.redaction.plain_values import cut, cut_start
from etter_obs._internal.redaction.redactor import HARMLESS, NUMBERS, CleanTexts, Redactor
from etter_obs._internal.redaction.sql import Statements

_STATEMENTS: Final = frozenset({"db.query.text", "db.statement"})
"""Attributes with a statement's text: in the stable conventions, and in the old ones."""
_MAX_KEYS: Final = 1024
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


class SpanRedactor:
    """Removes secrets from spans, in one thread.

    Args:
        redactor: The rules that keep secrets out.
        lengths: The longest texts in characters.
    """

    def __init__(self, redactor: Redactor, lengths: Lengths = LENGTHS) -> None:
        self._redactor = redactor
        self._lengths = lengths
        self._clean = CleanTexts(redactor)
        self._statements = Statements()
        self._clean_keys: dict[tuple[str, ...], bool] = {}

    def redacted(self, span: ReadableSpan) -> ReadableSpan:
        """Return a copy of the span with every text redacted, then cut; itself if none changes."""
        return span if self._is_clean(span) else self._rebuilt(span)

    def _is_clean(self, span: ReadableSpan) -> bool:
        """Return, at a tenth of the cost, whether most likely nothing would change.

        A span without secrets is the rule, and its texts repeat.
        """
        if self._redactor.has_pattern or span.events or span.links or span.status.description:
            return False
        # A copy takes one step; iterating over what the SDK returns takes a lock for each item.
        attributes: dict[str, Any] = span.attributes.copy() if span.attributes else {}  # type: ignore[attr-defined]
        keys = tuple(attributes)
        if not (self._clean_keys.get(keys) or self._are_clean_keys(keys)):
            return False
        known, longest = self._clean.known, self._lengths.span
        texts = [] if span.name in known else [span.name]
        for key, value in attributes.items():
            kind = type(value)
            if kind is str:
                if value in known:
                    continue
                if len(value) > longest:
                    return False
                if key in _STATEMENTS and self._statements(value).shown != value:
                    return False
                texts.append(value)
            elif kind is not bool and not (kind in NUMBERS and -HARMLESS <= value <= HARMLESS):
                return False
        return len(span.name) <= self._lengths.other and (not texts or self._clean.are(texts))

    def _are_clean_keys(self, keys: tuple[str, ...]) -> bool:
        names = self._redactor.names
        clean = not any(names.know(key) for key in keys) and self._clean.are(list(keys))
        if len(self._clean_keys) >= _MAX_KEYS:
            self._clean_keys.clear()
        self._clean_keys[keys] = clean
        return clean

    def _rebuilt(self, span: ReadableSpan) -> ReadableSpan:
        lengths = self._lengths

        def attributes(given: Attributes, length: int) -> Attributes:
            return {
                _shown_key(self._redactor, key): self._shown(key, value, length)
                for key, value in (given or {}).items()
            }

        def text(key: str, text: str) -> str:
            return cut(str(self._redactor.value(key, text)), lengths.other)

        status = span.status
        if status.description:
            status = Status(status.status_code, text("description", status.description))
        return ReadableSpan(
            name=text("name", span.name),
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes=attributes(span.attributes, lengths.span),
            events=[
                Event(
                    text("name", event.name),
                    attributes(event.attributes, lengths.other),
                    event.timestamp,
                )
                for event in span.events
            ],
            links=[
                Link(link.context, attributes(link.attributes, lengths.other))
                for link in span.links
            ],
            kind=span.kind,
            status=status,
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )

    def _shown(self, key: str, value: Any, length: int) -> Any:
        """Return the value of an attribute, without secrets and of limited length."""
        redact = self._redactor.value
        if key in _STATEMENTS and isinstance(value, str):
            # The instrumentation records the text as sent, which lacks only bound parameters.
            # OpenTelemetry's database conventions require a sanitised ``db.query.text``.
            value = self._statements(value).shown
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


@lru_cache(maxsize=1024)
def _shown_key(redactor: Redactor, key: str) -> str:
    return str(redactor.value("", key))
