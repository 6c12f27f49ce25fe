"""The headers that the package adds to responses: the request's id and the response time."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from operator import itemgetter
from typing import Final

from etter_obs._internal.conventions import Header
from etter_obs._internal.requests.ids import REQUEST_ID

Pair = tuple[bytes, bytes]

NAME_OF: Final = itemgetter(0)
"""Return the name of a header, which ASGI represents as a pair."""
_RESPONSE_TIME: Final = Header.RESPONSE_TIME.lower().encode()
_TIMES: Final = tuple(b"0.%03ds" % milliseconds for milliseconds in range(1000))
"""Response times such as ``0.123s``; a look-up is faster than formatting a number."""


class ResponseHeaders:
    """Adds headers to responses.

    Args:
        names: the headers to add; they replace the app's headers of the same name.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._has_id = Header.REQUEST_ID in names
        self._has_time = Header.RESPONSE_TIME in names
        self._ours = frozenset(name.lower().encode() for name in names)

    def among(self, sent: Iterable[Pair], request_id: str, passed: float | None) -> list[Pair]:
        """Return the app's headers together with the added ones.

        Args:
            sent: the app's headers; not modified, because the app may send them again.
            request_id: the request's id.
            passed: seconds until the response began; None adds no response time.

        Returns:
            A list of names and values.
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
