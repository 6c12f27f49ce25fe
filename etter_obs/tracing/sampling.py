"""The sampling decision, made from the request's headers before anything else is spent on it.

Nine of ten requests end here: they get their ids and enter no instrumentation. The decision is the
one that OpenTelemetry's own samplers make for the same trace id and parent
(https://opentelemetry.io/docs/specs/otel/trace/sdk/#sampling), so that a sampled request can go
through the official instrumentation without being decided again differently.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from random import getrandbits
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.sampling import Sampler

Headers = Iterable[tuple[bytes, bytes]]

# The grammar of W3C trace context (https://www.w3.org/TR/trace-context/#traceparent-header). A
# later version may append fields, version 00 may not, version ff is forbidden, ids are not zero.
_TRACEPARENT: Final = re.compile(
    rb"[ \t]*(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})"
    rb"(-.*)?[ \t]*"
)
_LOW_64_BITS: Final = (1 << 64) - 1
_MAX_HEADER_BYTES: Final = 256
"""A longer traceparent is none: today's has 55 bytes, and nobody may make us match a megabyte."""


class Decision:
    """Ids of one request and whether its trace is kept. Ids are lower-case hexadecimal."""

    __slots__ = (
        "baggage",
        "context",
        "parent_flags",
        "parent_id",
        "sampled",
        "span_id",
        "trace_id",
        "tracestate",
    )

    def __init__(self, trace_id: str, span_id: str, sampled: bool) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.sampled = sampled
        self.parent_id: str | None = None
        """Span of the caller, where a valid traceparent came in."""
        self.parent_flags = 0
        self.tracestate: bytes | None = None
        self.baggage: bytes | None = None
        self.context: Context | None = None
        """What another propagator than W3C's took from the headers."""


class HeadSampler:
    """Decides by one of the names that ``OTEL_TRACES_SAMPLER`` takes.

    Args:
        name: ``always_on``, ``traceidratio``, ``parentbased_traceidratio``, …
        ratio: share of the traces without a parent's decision that are kept, 0 to 1.
    """

    __slots__ = ("_bound", "_follows_parent")

    def __init__(self, name: str, ratio: float) -> None:
        self._follows_parent = name.startswith("parentbased_")
        root = name.removeprefix("parentbased_")
        share = {"always_on": 1.0, "always_off": 0.0}.get(root, ratio)
        self._bound = round(share * (_LOW_64_BITS + 1))

    def decide(self, headers: Headers) -> Decision:
        """Return the ids and the decision for a request; no header, however odd, raises."""
        traceparent = tracestate = baggage = None
        several = False
        for name, value in headers:
            # The lengths tell the three apart from nearly every other header without a comparison.
            length = len(name)
            if length == 11 and name == b"traceparent":
                several = traceparent is not None
                traceparent = value
            elif length == 10 and name == b"tracestate":
                tracestate = value if tracestate is None else tracestate + b"," + value
            elif length == 7 and name == b"baggage":
                baggage = value if baggage is None else baggage + b"," + value
        parent = None
        if traceparent is not None and not several and len(traceparent) <= _MAX_HEADER_BYTES:
            parent = _TRACEPARENT.fullmatch(traceparent)
        if parent is None or (parent[1] == b"00" and parent[5]):
            decision = self.begin()
        else:
            decision = self.follow(parent[2].decode(), parent[3].decode(), int(parent[4], 16))
            decision.tracestate = tracestate
        decision.baggage = baggage
        return decision

    def begin(self) -> Decision:
        """Return the decision for a trace that begins here."""
        number = getrandbits(128) or 1
        sampled = number & _LOW_64_BITS < self._bound
        return Decision(f"{number:032x}", f"{getrandbits(64) or 1:016x}", sampled)

    def follow(self, trace_id: str, parent_id: str, flags: int) -> Decision:
        """Return the decision for a trace that comes from a caller."""
        sampled = flags & 1 == 1 if self._follows_parent else int(trace_id[16:], 16) < self._bound
        decision = Decision(trace_id, f"{getrandbits(64) or 1:016x}", sampled)
        decision.parent_id = parent_id
        decision.parent_flags = flags
        return decision


def official_sampler(name: str, ratio: float) -> Sampler:
    """Return the SDK's sampler of that name, for spans that are made outside requests."""
    from opentelemetry.sdk.trace import sampling

    root = {"always_on": sampling.ALWAYS_ON, "always_off": sampling.ALWAYS_OFF}.get(
        name.removeprefix("parentbased_")
    ) or sampling.TraceIdRatioBased(ratio)
    return sampling.ParentBased(root) if name.startswith("parentbased_") else root
