"""The sampling decision, made from the request's headers before any other work.

With the default ratio, nine of ten requests get their ids here and enter no instrumentation. The
decision equals that of OpenTelemetry's own samplers for the same trace id and parent
(https://opentelemetry.io/docs/specs/otel/trace/sdk/#sampling), so the SDK makes the same
decision for a sampled request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from etter_obs._internal.random_ids import random_ids

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.sampling import Sampler

Headers = Iterable[tuple[bytes, bytes]]

# The grammar of W3C trace context (https://www.w3.org/TR/trace-context/#traceparent-header): later
# versions may append fields, version 00 must not, version ff is forbidden, ids are not zero.
_TRACEPARENT: Final = re.compile(
    rb"[ \t]*(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})"
    rb"(-.*)?[ \t]*"
)
# W3C baggage (https://www.w3.org/TR/baggage/#definition). Possessive quantifiers on characters keep
# the match to one pass. Groups have none: Python before 3.11.5 handles them wrongly, and each group
# begins with a mark that cannot occur before it. OpenTelemetry logs a warning for every unreadable
# member, so a malformed header is skipped as a whole.
_KEY: Final = rb"[ \t]*+[!#$%&'*+\-.^_`|~0-9A-Za-z]++[ \t]*+"
_VALUE: Final = rb"=[ \t]*+[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*+[ \t]*+"
_MEMBER: Final = _KEY + _VALUE + rb"(?:;" + _KEY + rb"(?:" + _VALUE + rb")?)*"
_BAGGAGE: Final = re.compile(_MEMBER + rb"(?:," + _MEMBER + rb"){0,63}")
_LOW_64_BITS: Final = (1 << 64) - 1
_MAX_HEADER_BYTES: Final = 256
"""Limit of a traceparent, which has 55 bytes today; bounds the cost of the match."""
_MAX_TRACESTATE_BYTES: Final = 512
"""The length that W3C requires every system to carry; OpenTelemetry drops longer headers."""
_MAX_BAGGAGE_BYTES: Final = 8_192
_MAX_MEMBER_BYTES: Final = 4_096
"""OpenTelemetry's limit for baggage; W3C's is 64 members, each of which copies all others."""

_new_ids: Final = random_ids(48)
"""Returns a trace id and a span id, 32 and 16 digits; all zeros are too improbable to check."""


class Decision:
    """The ids of one request and whether its trace is kept.

    Args:
        trace_id: 32 lower-case hexadecimal digits, or empty if tracing is off.
        span_id: 16 lower-case hexadecimal digits, or empty if tracing is off.
        sampled: whether the trace is kept.
    """

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
        """The caller's span id, if a valid traceparent arrived."""
        self.parent_flags = 0
        self.tracestate: bytes | None = None
        self.baggage: bytes | None = None
        self.context: Context | None = None
        """The context that a propagator other than W3C's read from the headers."""

    @property
    def brings_nothing(self) -> bool:
        """Return whether the request has neither a caller's trace nor baggage."""
        return self.parent_id is None and self.baggage is None and self.context is None


class ExcludedDecision(Decision):
    """The decision for an excluded URL: no span, even if the request fails."""

    __slots__ = ()


UNTRACED: Final = Decision("", "", False)
"""The decision for every request without a caller's trace if tracing is off."""


class HeadSampler:
    """Decides as the sampler of that name in ``OTEL_TRACES_SAMPLER``.

    Args:
        name: ``always_on``, ``traceidratio``, ``parentbased_traceidratio``, …
        ratio: share of traces to keep if there is no parent's decision, 0 to 1.
    """

    __slots__ = ("_bound", "_follows_parent")

    def __init__(self, name: str, ratio: float) -> None:
        self._follows_parent = name.startswith("parentbased_")
        root = name.removeprefix("parentbased_")
        share = {"always_on": 1.0, "always_off": 0.0}.get(root, ratio)
        bound = round(share * (_LOW_64_BITS + 1))
        # Digits of equal length compare like their numbers; every digit is less than "g".
        self._bound = f"{bound:016x}" if bound <= _LOW_64_BITS else "g"

    def decide(self, headers: Headers) -> Decision:
        """Return the ids and the decision for a request; no header raises."""
        traceparent = tracestate = baggage = None
        several = False
        for name, value in headers:
            # The length excludes nearly every other header without a comparison.
            length = len(name)
            if length == 11 and name == b"traceparent":
                several = traceparent is not None
                traceparent = value
            elif length == 10 and name == b"tracestate":
                tracestate = value if tracestate is None else tracestate + b"," + value
            elif length == 7 and name == b"baggage":
                baggage = value if baggage is None else baggage + b"," + value
        parent = None
        if traceparent is not None and not several:
            parent = parse_traceparent(traceparent)
        if parent is None:
            decision = self.begin()
        else:
            decision = self.follow(parent[2].decode(), parent[3].decode(), int(parent[4], 16))
            if tracestate is not None and len(tracestate) <= _MAX_TRACESTATE_BYTES:
                decision.tracestate = tracestate
        if baggage is not None and _is_well_formed(baggage):
            decision.baggage = baggage
        return decision

    def begin(self) -> Decision:
        """Return the decision for a trace that starts here."""
        digits = _new_ids()
        trace_id = digits[:32]
        return Decision(trace_id, digits[32:], trace_id[16:] < self._bound)

    def follow(self, trace_id: str, parent_id: str, flags: int) -> Decision:
        """Return the decision for a trace that a caller started.

        Args:
            trace_id: 32 lower-case hexadecimal digits.
            parent_id: 16 lower-case hexadecimal digits, the id of the caller's span.
            flags: the trace flags of ``traceparent``; bit 0 says that the caller samples.

        Returns:
            The decision, with a new span id.
        """
        sampled = flags & 1 == 1 if self._follows_parent else trace_id[16:] < self._bound
        decision = Decision(trace_id, _new_ids()[32:], sampled)
        decision.parent_id = parent_id
        decision.parent_flags = flags
        return decision


def parse_traceparent(header: bytes) -> re.Match[bytes] | None:
    """Return a valid header's version, trace id, parent's id and flags: its groups 1 to 4."""
    if len(header) > _MAX_HEADER_BYTES:
        return None
    parent = _TRACEPARENT.fullmatch(header)
    return None if parent is None or (parent[1] == b"00" and parent[5]) else parent


def _is_well_formed(baggage: bytes) -> bool:
    size = len(baggage)
    if size > _MAX_BAGGAGE_BYTES or not _BAGGAGE.fullmatch(baggage):
        return False
    return size <= _MAX_MEMBER_BYTES or max(map(len, baggage.split(b","))) <= _MAX_MEMBER_BYTES


def official_sampler(name: str, ratio: float) -> Sampler:
    """Return the SDK's sampler of that name, for spans outside requests."""
    from opentelemetry.sdk.trace import sampling

    root = {"always_on": sampling.ALWAYS_ON, "always_off": sampling.ALWAYS_OFF}.get(
        name.removeprefix("parentbased_")
    ) or sampling.TraceIdRatioBased(ratio)
    return sampling.ParentBased(root) if name.startswith("parentbased_") else root


def excluded(patterns: Sequence[str]) -> Callable[[Mapping[str, Any]], bool] | None:
    """Return a function that checks an ASGI scope's URL for the patterns; None without patterns.

    The match is OpenTelemetry's: https://opentelemetry.io/docs/zero-code/python/configuration/
    """
    if not patterns:
        return None
    search = re.compile("|".join(f"(?:{pattern})" for pattern in patterns)).search

    def is_excluded(scope: Mapping[str, Any]) -> bool:
        host, port = scope.get("server") or ("", None)
        address = host if port in (None, 80, 443) else f"{host}:{port}"
        return search(f"{scope.get('scheme', 'http')}://{address}{scope['path']}") is not None

    return is_excluded
