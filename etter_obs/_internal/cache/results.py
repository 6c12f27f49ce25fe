"""The results of one ``cached`` function: their lifetime, and why a result is not stored."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final

from etter_obs._internal.cache.codec import Codec, NotKeptError
from etter_obs._internal.conventions import NotKept

if TYPE_CHECKING:
    from etter_obs._internal.cache.store import Cache

_LOG: Final = logging.getLogger("etter_obs.cache")


class Results:
    """Encode, decode and count the results of one function.

    Args:
        function: the sync or async function, without partials and decorators around it.
        name: name of its cache.
        ttl: lifetime of a result, in seconds.
        none_ttl: lifetime of the result None, in seconds; 0 does not store it.
    """

    _longest: ClassVar[int] = 1

    def __init__(self, function: Callable[..., Any], name: str, ttl: int, none_ttl: int) -> None:
        self._codec = Codec(function)
        self._name = name
        self._called = f"{function.__module__}.{function.__qualname__}"
        self._ttl = ttl
        self._none_ttl = none_ttl
        self._said: set[str] = set()
        self.are_kept = True
        """Whether the last result could be stored."""
        self.longest_own: Final = max(ttl, none_ttl)
        Results._longest = max(Results._longest, self.longest_own)

    @classmethod
    def longest(cls) -> int:
        """Return the longest lifetime of all functions' results, in seconds."""
        return cls._longest

    def lifetime(self, result: object) -> int:
        """Return the lifetime of ``result`` in seconds; 0 if it is not stored."""
        return self._none_ttl if result is None else self._ttl

    def encode(self, result: object, cache: Cache) -> bytes | None:
        """Return the bytes to store, or None if the result is not stored.

        A result that JSON does not preserve is counted and reported by one warning.
        """
        if not self.lifetime(result):
            return None
        try:
            data = self._codec.encode(result)
        except NotKeptError as error:
            self.are_kept = False
            self.refuse(NotKept.RESULT, str(error), cache)
            return None
        self.are_kept = True
        return data

    def decode(self, data: bytes | None) -> tuple[Any] | None:
        """Return the result in a tuple, or None if there is no readable result."""
        if data is None:
            return None
        try:
            return (self._codec.decode(data),)
        except Exception:  # noqa: BLE001  # stored by another version of the app, or by another program
            return None

    def refuse(self, reason: NotKept, why: str, cache: Cache) -> None:
        """Count a result that is not stored, and log the reason the first time.

        Args:
            reason: value of the label ``reason``.
            why: the explanation for the log line.
            cache: the cache that counts it.
        """
        cache.count_not_kept(self._name, reason)
        if reason not in self._said:
            self._said.add(reason)
            _LOG.warning(
                "cached(name=%r) does not keep this result of %s: %s", self._name, self._called, why
            )
