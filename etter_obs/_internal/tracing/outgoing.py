"""The headers of an outgoing request, where another library's propagation has put some already.

OpenTelemetry's propagators replace what they find. What others have written must arrive all the
same: their members of ``baggage`` (Sentry keeps its trace there) and a trace that is not ours.
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
"""W3C's limits for a baggage header (https://www.w3.org/TR/baggage/#limits); ours yield to them."""


def reconcile(headers: MutableMapping[str, str], before: Mapping[str, str]) -> None:
    """Put back into ``headers`` what the propagators took from it.

    ``headers`` is what they made of ``before``. A ``traceparent`` of another trace stays, with its
    ``tracestate``; one of the same trace (an app that hands on what it got, by hand) gives way,
    since ours names the nearer parent. Of ``baggage`` every member stays, and ours are added.
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
    """Return a baggage header of all members of ``theirs`` and those of ``ours`` that are new.

    Ours are left out where their key is taken, or where W3C's limits are reached.
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
