"""Merges the headers of an outgoing request with those that another library set before.

OpenTelemetry's propagators replace existing headers. The headers of other libraries must still
arrive: their members of ``baggage`` (Sentry's trace is there) and a trace that is not ours.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Final

from etter_obs._internal.tracing.sampling import parse_traceparent

_TRACEPARENT: Final = "traceparent"
_TRACESTATE: Final = "tracestate"
_BAGGAGE: Final = "baggage"
_MAX_MEMBERS: Final = 180
_MAX_BYTES: Final = 8_192
"""W3C's limits for baggage (https://www.w3.org/TR/baggage/#limits); our members yield."""


def reconcile(headers: MutableMapping[str, str], before: Mapping[str, str]) -> None:
    """Restore in ``headers`` the values that the propagators replaced.

    A ``traceparent`` of another trace stays, with its ``tracestate``. A ``traceparent`` of the same
    trace (from an app that forwards its own headers) is replaced, because ours names the nearer
    parent. Every member of ``baggage`` stays, and ours are added.

    Args:
        headers: the headers after the propagators; modified in place.
        before: the headers before the propagators.
    """
    parent = before.get(_TRACEPARENT)
    if parent is not None and _is_of_another_trace(parent, headers[_TRACEPARENT]):
        headers[_TRACEPARENT] = parent
        state = before.get(_TRACESTATE)
        if state is not None:
            headers[_TRACESTATE] = state
        elif _TRACESTATE in headers:
            del headers[_TRACESTATE]
    members = before.get(_BAGGAGE)
    if members is not None and members != headers[_BAGGAGE]:
        headers[_BAGGAGE] = merged(members, headers[_BAGGAGE])


def merged(theirs: str, ours: str) -> str:
    """Return a baggage header with all members of ``theirs`` and the new ones of ``ours``.

    A member of ours is skipped if its key exists, or if W3C's limits are reached.
    """
    keys = [_key(member) for member in theirs.split(",") if member.strip()]
    header = theirs if keys else ""
    for member in ours.split(","):
        longer = f"{header},{member}" if header else member
        fits = len(keys) < _MAX_MEMBERS and len(longer.encode()) <= _MAX_BYTES
        if fits and _key(member) not in keys:
            keys.append(_key(member))
            header = longer
    return header


def _key(member: str) -> str:
    return member.partition("=")[0].strip()


def _is_of_another_trace(theirs: str, ours: str) -> bool:
    mine, other = parse_traceparent(ours.encode()), parse_traceparent(theirs.encode())
    return mine is not None and other is not None and mine[2] != other[2]
