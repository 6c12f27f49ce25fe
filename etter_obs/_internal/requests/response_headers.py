"""The headers that responses carry from here: the request's id, and how long it took to begin."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from operator import itemgetter
from typing import Final

from etter_obs._internal.conventions import Header
from etter_obs._internal.requests.ids import REQUEST_ID

Pair = tuple[bytes, bytes]

NAME_OF: Final = itemgetter(0)
"""Name of a header, which ASGI gives as a pair."""
_RESPONSE_TIME: Final = Header.RESPONSE_TIME.lower().encode()
_TIMES: Final = tuple(b"0.%03ds" % milliseconds for milliseconds in range(1000))
"""The guide's form of a response time; to format a number costs more than to look it up."""


class ResponseHeaders:
    """Puts the headers into responses.

    Args:
        names: those that responses carry; an app's own of these names give way.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._has_id = Header.REQUEST_ID in names
        self._has_time = Header.RESPONSE_TIME in names
        self._ours = frozenset(name.lower().encode() for name in names)

    def among(self, sent: Iterable[Pair], request_id: str, passed: float | None) -> list[Pair]:
        """Return the headers that the app sent with these among them.

        Args:
            sent: the app's; it may keep them, and send them again with another response.
            request_id: the id.
            passed: seconds until the response began; None where that says nothing.
        """
        headers = [*sent]
        if not self._ours.isdisjoint(map(NAME_OF, headers)):
            headers = [pair for pair in headers if pair[0] not in self._ours]
        if self._has_id:
            headers.append((REQUEST_ID, request_id.encode()))
        if self._has_time and passed is not None:
            time = _TIMES[int(passed * 1000)] if passed < 1 else b"%.3fs" % passed
            headers.append((_RESPONSE_TIME, time))
        return headers
