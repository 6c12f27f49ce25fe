"""Records the spans that end during a test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from etter_obs._internal.logs import Redactor
from etter_obs._internal.tracing.export import BoundedSpans
from etter_obs._internal.tracing.redaction import SpanRedactor


class SpanRecorder:
    """The spans of one test, as exported, in the order in which they ended."""

    def __init__(self) -> None:
        self._redactor = SpanRedactor(Redactor())
        self.spans: list[ReadableSpan] = []

    def record(self, span: ReadableSpan) -> None:
        """Keep a span without its secrets."""
        if span.context is not None and span.context.trace_flags.sampled:
            self.spans.append(self._redactor.redacted(span))

    def where(
        self, name: str | None = None, attributes: Mapping[str, Any] | None = None
    ) -> list[ReadableSpan]:
        """Return the spans called ``name`` (if given) that have all of ``attributes``."""
        wanted = (attributes or {}).items()
        return [
            span
            for span in list(self.spans)
            if name in (None, span.name)
            and all((span.attributes or {}).get(key) == value for key, value in wanted)
        ]

    def assert_span(
        self, name: str | None = None, attributes: Mapping[str, Any] | None = None
    ) -> ReadableSpan:
        """Assert that a span called ``name`` (if given) with ``attributes`` ended; return it.

        Args:
            name: the span's name.
            attributes: names and values of attributes of the span.

        Returns:
            The first matching span.

        Raises:
            AssertionError: no span matches; the text contains the recorded spans.
        """
        __tracebackhide__ = True
        found = self.where(name, attributes)
        if not found:
            shown = "\n".join(f"{s.name} {dict(s.attributes or {})}" for s in self.spans)
            there = shown or "(no spans; check that APM_ENABLED is true and the request is sampled)"
            raise AssertionError(
                f"no span {name!r} with {attributes or {}}; the spans are:\n{there}"
            )
        return found[0]

    def assert_no_span(
        self, name: str | None = None, attributes: Mapping[str, Any] | None = None
    ) -> None:
        """Assert that no span with ``name`` (if given) and ``attributes`` ended.

        Args:
            name: the span's name.
            attributes: names and values of attributes of the span.

        Raises:
            AssertionError: a span matches; the text contains the first one.
        """
        __tracebackhide__ = True
        found = self.where(name, attributes)
        if found:
            raise AssertionError(f"{len(found)} spans match; the first is {found[0].to_json()}")


@contextmanager
def recording_spans() -> Iterator[SpanRecorder]:
    """Record every span of this package instead of exporting it."""
    recorder = SpanRecorder()
    original = BoundedSpans.on_end

    def keep(self: BoundedSpans, span: ReadableSpan) -> None:  # has a method's signature
        recorder.record(span)

    BoundedSpans.on_end = keep  # type: ignore[method-assign]
    try:
        yield recorder
    finally:
        BoundedSpans.on_end = original  # type: ignore[method-assign]
