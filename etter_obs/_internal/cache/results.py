"""The results of one ``cached`` function: how long they are kept, and why one is not."""

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
    """What is known of a function's results.

    Args:
        function: sync or async, without partials and decorators around it.
        name: of its cache.
        ttl: seconds that a result is kept.
        none_ttl: the same for None; 0: not at all.
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
        """Whether the last one could be kept."""
        self.longest_own: Final = max(ttl, none_ttl)
        Results._longest = max(Results._longest, self.longest_own)

    @classmethod
    def longest(cls) -> int:
        """Return the seconds after which nothing that any function has stored is left."""
        return cls._longest

    def lifetime(self, result: object) -> int:
        """Return the seconds that a result is kept."""
        return self._none_ttl if result is None else self._ttl

    def encode(self, result: object, cache: Cache) -> bytes | None:
        """Return what is stored; None where it is not kept, which is counted and said once."""
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
        """Return the result within a tuple; None where there is none that can be read."""
        if data is None:
            return None
        try:
            return (self._codec.decode(data),)
        except Exception:  # noqa: BLE001  # stored by another version of the app, or by others
            return None

    def refuse(self, reason: NotKept, why: str, cache: Cache) -> None:
        """Count a result that is not kept, and say the first time why."""
        cache.count_not_kept(self._name, reason)
        if reason not in self._said:
            self._said.add(reason)
            _LOG.warning(
                "cached(name=%r) does not keep this result of %s: %s", self._name, self._called, why
            )
