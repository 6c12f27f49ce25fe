"""The store of ``cached`` functions: Redis, which may be unreachable, slow or full.

Every method that queries Redis is a generator that yields the return value of a client's command
and receives the answer. ``Cache.run()`` drives it for a sync client, ``Cache.run_async()`` for any.

A result is stored with its marks, as they were before its computation, and is valid while they are
unchanged:

- The mark of its call is absent until the function's ``invalidate`` sets one. That mark outlives
  the results of all computations that began before it.
- Each of its tags has a mark. If the mark is missing, no result with the tag is valid, so deleting
  the mark invalidates the tag for any number of results.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import secrets
import time
from collections.abc import Generator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from urllib.parse import quote

from redis.exceptions import ResponseError

from etter_obs._internal.cache.bounded_client import bounded
from etter_obs._internal.cache.call_keys import Call
from etter_obs._internal.cache.digest import digest
from etter_obs._internal.cache.single_flight import COMPUTATION_TIMEOUT, PEER_TIMEOUT
from etter_obs._internal.conventions import CACHE_HITS, CACHE_MISSES, CACHE_NOT_KEPT, NotKept

if TYPE_CHECKING:
    from etter_obs._internal.metrics.registry import MetricsRegistry

T = TypeVar("T")
Script = Generator[Any, Any, T]

TIMEOUT: Final = 0.5
"""Timeout of one query to Redis, in seconds."""
_RETRY_DELAY: Final = 1.0
"""Pause after a failure of Redis, in seconds, so that requests do not wait for it."""
_LOG: Final = logging.getLogger("etter_obs.cache")


class Entry(NamedTuple):
    """The cache's name, and the keys of a call: of its result, mark, lock and tags."""

    name: str
    value: str
    mark: str
    lock: str
    tags: tuple[str, ...]


class Begun(NamedTuple):
    """The state before a computation: a result, if any, the marks, and whether to compute here."""

    data: bytes | None
    marks: list[bytes]
    leads: bool
    at: float


class Cache:
    """The store of ``cached`` functions.

    Args:
        client: ``redis.Redis`` or ``redis.asyncio.Redis``. For a sync client the cache opens its
            own connections, with ``timeout``.
        registry: counts ``cache_hits_total``, ``cache_misses_total`` and ``cache_not_kept_total``.
        service: the service's name, a part of every key.
        environment: the environment's name, a part of every key.
        timeout: seconds that one query to Redis may take.
    """

    def __init__(
        self,
        client: Any,
        registry: MetricsRegistry,
        *,
        service: str,
        environment: str,
        timeout: float = TIMEOUT,
    ) -> None:
        self.is_async = inspect.iscoroutinefunction(type(client).execute_command)
        self.client = client if self.is_async else bounded(client, timeout)
        self._owns_client = self.client is not client
        self._get_many = getattr(self.client, "mget_nonatomic", self.client.mget)  # a cluster's
        self._hits = registry.counter(CACHE_HITS)
        self._misses = registry.counter(CACHE_MISSES)
        self._not_kept = registry.counter(CACHE_NOT_KEPT)
        self._prefix = f"etter-obs:{quote(service, '')}:{quote(environment, '')}"
        self._timeout = timeout
        self._me = secrets.token_hex(8)
        self.is_away = False
        """Whether the last query to Redis failed."""
        self.flights: dict[str, Future[bool]] = {}
        """Running computations of this process; each result is whether a look-up may find it."""
        self._retry_at = 0.0
        self._refusals: set[str] = set()

    def close(self) -> None:
        """Close the cache's own connections."""
        if self._owns_client:
            self.client.connection_pool.disconnect()

    # -- counting ---------------------------------------------------------------------------------

    def expect(self, name: str) -> None:
        """Create the series of the cache ``name``, so that its first events are not lost."""
        self._hits.child(name)
        self._misses.child(name)
        for reason in NotKept:
            self._not_kept.child(name, reason)

    def count(self, name: str, hit: bool) -> None:
        """Count a look-up."""
        (self._hits if hit else self._misses).child(name).inc()

    def count_not_kept(self, name: str, reason: NotKept) -> None:
        """Count a result that is not kept."""
        self._not_kept.child(name, reason).inc()

    # -- keys -------------------------------------------------------------------------------------

    def entry(self, name: str, call: Call) -> Entry:
        """Return the keys of a call; braces put the keys of one call into one slot of a cluster.

        Keys contain digests instead of arguments and tags, which may be secrets.
        """
        place = f"{self._prefix}:{quote(name, '')}:{{{call.digits}}}"
        tags = dict.fromkeys(map(self._tag, call.tags))
        return Entry(name, place, f"{place}:mark", f"{place}:lock", tuple(tags))

    def _tag(self, tag: str) -> str:
        return f"{self._prefix}#{digest(tag).hex()[:40]}"

    # -- queries to Redis -------------------------------------------------------------------------

    def look_up(self, entry: Entry) -> Script[bytes | None]:
        """Return the stored result if it is valid."""
        stored, *marks = yield self._get_many([entry.value, entry.mark, *entry.tags])
        return _good(self._bytes(stored), [self._bytes(mark) or b"" for mark in marks])

    def begin(self, entry: Entry, longest: int) -> Script[Begun]:
        """Look up again, read the marks and acquire the lock: one process computes at a time.

        Args:
            entry: the call's keys.
            longest: lifetime of a tag's mark, in seconds.
        """
        at = time.monotonic()
        pipeline = self.client.pipeline(transaction=False)
        me = f"{self._me}-{os.getpid()}"  # a forked worker shares its parent's cache object
        pipeline.set(entry.lock, me, nx=True, ex=PEER_TIMEOUT)
        for tag in entry.tags:
            pipeline.set(tag, secrets.token_hex(8), nx=True, ex=longest)
            pipeline.expire(tag, longest)
        for key in (entry.lock, entry.value, entry.mark, *entry.tags):
            pipeline.get(key)
        answers = yield pipeline.execute()
        read = answers[1 + 2 * len(entry.tags) :]
        lock, stored, *seen = (self._bytes(answer) for answer in read)
        marks = [mark or b"" for mark in seen]
        return Begun(_good(stored, marks), marks, lock == me.encode(), at)

    def keep(self, entry: Entry, begun: Begun, data: bytes, ttl: int) -> Script[bool]:
        """Store a result and release the lock.

        Args:
            entry: the call's keys.
            begun: the state before the computation.
            data: the encoded result.
            ttl: lifetime of the result, in seconds.

        Returns:
            A script that returns whether Redis stored the result.
        """
        pipeline = self.client.pipeline(transaction=False)
        pipeline.set(entry.value, b"%b|%b" % (b",".join(begun.marks), data), ex=ttl)
        pipeline.delete(entry.lock)
        yield pipeline.execute()
        return True

    def give_up(self, entry: Entry) -> Script[None]:
        """Release the lock."""
        yield self.client.delete(entry.lock)

    def forget(self, entry: Entry, ttl: int) -> Script[bool]:
        """Invalidate the stored result and a running computation.

        The mark outlives a result that a running computation may still store for ``ttl`` seconds.
        """
        pipeline = self.client.pipeline(transaction=False)
        pipeline.set(entry.mark, secrets.token_hex(8), ex=COMPUTATION_TIMEOUT + 60 + ttl)
        pipeline.delete(entry.value)
        pipeline.delete(entry.lock)
        yield pipeline.execute()
        return True

    def forget_tags(self, tags: tuple[str, ...]) -> Script[bool]:
        """Invalidate every result that has one of the tags.

        Raises:
            TypeError: a tag is not text.
        """
        for tag in tags:
            if not isinstance(tag, str):
                raise TypeError(f"tag {tag!r} is not text; write {str(tag)!r}")
        return self._forget_tags([self._tag(tag) for tag in tags])

    def _forget_tags(self, keys: list[str]) -> Script[bool]:
        pipeline = self.client.pipeline(transaction=False)
        for key in keys:
            pipeline.delete(key)
        yield pipeline.execute()
        return True

    # -- running queries --------------------------------------------------------------------------

    def run(self, script: Script[T], *, insist: bool = False) -> T | None:
        """Return the result of ``script``; None if Redis is unreachable or refuses. Never raise.

        With ``insist`` the query also runs during the pause after a failure.
        """
        if not insist and self._is_paused():
            return None
        try:
            answer = next(script)
            while True:
                answer = script.send(answer)
        except StopIteration as done:
            self.is_away = False
            value: T = done.value
            return value
        except Exception as error:  # noqa: BLE001  # a failing cache counts as a miss
            self._failed(error)
            return None

    async def run_async(self, script: Script[T], *, insist: bool = False) -> T | None:
        """Do the same as ``run()`` without blocking the event loop, for both kinds of client."""
        if not self.is_async:
            return await asyncio.to_thread(self.run, script, insist=insist)
        if not insist and self._is_paused():
            return None
        try:
            async with asyncio.timeout(self._timeout):
                answer = next(script)
                while True:
                    answer = script.send(await answer)
        except StopIteration as done:
            self.is_away = False
            value: T = done.value
            return value
        except Exception as error:  # noqa: BLE001  # a failing cache counts as a miss
            self._failed(error)
            return None

    def _is_paused(self) -> bool:
        """Return whether to skip Redis; after the pause, one caller tries it again."""
        if not self.is_away:
            return False
        now = time.monotonic()
        if now < self._retry_at:
            return True
        self._retry_at = now + self._timeout + _RETRY_DELAY
        return False

    def _failed(self, error: Exception) -> None:
        kind = type(error).__name__
        if isinstance(error, ResponseError):  # Redis is full or read-only, and may still be read
            if kind not in self._refusals:
                self._refusals.add(kind)
                _LOG.warning("The Redis of the cache refuses commands: %s", kind)
            return
        if not self.is_away:
            _LOG.warning("The Redis of the cache does not answer: %s", kind)
        self.is_away = True
        self._retry_at = time.monotonic() + _RETRY_DELAY

    def _bytes(self, answer: bytes | str | None) -> bytes | None:
        """Return an answer as bytes, even if the app's client decodes answers."""
        if isinstance(answer, str):
            return answer.encode(self.client.get_encoder().encoding)
        return answer


def _good(stored: bytes | None, marks: list[bytes]) -> bytes | None:
    """Return the stored result if its marks equal the current ones."""
    if stored is None:
        return None
    head, _, data = stored.partition(b"|")
    own, *tags = head.split(b",")
    is_good = own == marks[0] or not marks[0]
    return data if is_good and tags == marks[1:] and all(tags) else None
