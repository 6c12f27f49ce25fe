"""Where ``cached`` functions keep their results: Redis, which may be away, slow or full.

Every method that asks Redis is a generator that yields what a command of the client returns, and is
sent the answer: :meth:`Cache.run` drives it for a sync client, :meth:`Cache.run_async` for both.

A result is stored together with its marks, as they were before it was computed, and is good while
they are the same:

- the mark of its call is absent until the function's ``invalidate`` sets one, which outlasts all
  that computations which began before it may store;
- each of its tags has one. Where it is missing nothing that carries the tag is good, so to
  invalidate a tag is to delete its mark, however many results there are.
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
from etter_obs._internal.cache.single_flight import LONGEST_COMPUTATION, OTHERS_SECONDS
from etter_obs._internal.conventions import CACHE_HITS, CACHE_MISSES, CACHE_NOT_KEPT, NotKept

if TYPE_CHECKING:
    from etter_obs._internal.metrics.registry import MetricsRegistry

T = TypeVar("T")
Script = Generator[Any, Any, T]

TIMEOUT: Final = 0.5
"""Seconds that one question to Redis may take."""
_REST_SECONDS: Final = 1.0
"""How long a Redis that failed is left alone: while it is away, requests must not wait for it."""
_LOG: Final = logging.getLogger("etter_obs.cache")


class Entry(NamedTuple):
    """The keys of a call's result: of itself, of what marks it, of who computes it; its name."""

    name: str
    value: str
    mark: str
    lock: str
    tags: tuple[str, ...]


class Begun(NamedTuple):
    """What there was when a computation could begin: a result after all, marks, who computes."""

    data: bytes | None
    marks: list[bytes]
    leads: bool
    at: float


class Cache:
    """Where ``cached`` functions keep their results.

    Args:
        client: ``redis.Redis`` or ``redis.asyncio.Redis``. A sync one gets connections of the
            cache's own, on which nothing takes longer than ``timeout``.
        registry: takes ``cache_hits_total``, ``cache_misses_total`` and ``cache_not_kept_total``.
        service: stands in every key, as does the environment.
        environment: likewise.
        timeout: seconds that one question to Redis may take.
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
        """Redis failed when it was last asked."""
        self.flights: dict[str, Future[bool]] = {}
        """Who computes what in this process: done with whether a look-up may find it."""
        self._rests_until = 0.0
        self._refusals: set[str] = set()

    def close(self) -> None:
        """Close the connections that are the cache's own."""
        if self._owns_client:
            self.client.connection_pool.disconnect()

    # -- counting ---------------------------------------------------------------------------------

    def expect(self, name: str) -> None:
        """Make the series of the cache ``name``, so that its first events are not lost."""
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
        """Return the keys of a call; the braces put those of one call into one slot of a cluster.

        They hold digests in place of arguments and tags, which may be secrets.
        """
        place = f"{self._prefix}:{quote(name, '')}:{{{call.digits}}}"
        tags = dict.fromkeys(map(self._tag, call.tags))
        return Entry(name, place, f"{place}:mark", f"{place}:lock", tuple(tags))

    def _tag(self, tag: str) -> str:
        return f"{self._prefix}#{digest(tag).hex()[:40]}"

    # -- what Redis is asked ----------------------------------------------------------------------

    def look_up(self, entry: Entry) -> Script[bytes | None]:
        """Return what is stored and good."""
        stored, *marks = yield self._get_many([entry.value, entry.mark, *entry.tags])
        return _good(self._bytes(stored), [self._bytes(mark) or b"" for mark in marks])

    def begin(self, entry: Entry, longest: int) -> Script[Begun]:
        """Look up once more, read the marks and say who computes: one process at a time.

        Args:
            entry: the call's keys.
            longest: seconds that a mark of a tag is needed.
        """
        at = time.monotonic()
        pipeline = self.client.pipeline(transaction=False)
        me = f"{self._me}-{os.getpid()}"  # a forked worker has its parent's cache
        pipeline.set(entry.lock, me, nx=True, ex=OTHERS_SECONDS)
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
        """Store a result for ``ttl`` seconds, and let others compute."""
        pipeline = self.client.pipeline(transaction=False)
        pipeline.set(entry.value, b"%b|%b" % (b",".join(begun.marks), data), ex=ttl)
        pipeline.delete(entry.lock)
        yield pipeline.execute()
        return True

    def give_up(self, entry: Entry) -> Script[None]:
        """Let others compute."""
        yield self.client.delete(entry.lock)

    def forget(self, entry: Entry, ttl: int) -> Script[bool]:
        """Make what is stored, and what is being computed, good for nobody.

        The mark outlasts what a computation that has begun may still store for ``ttl`` seconds.
        """
        pipeline = self.client.pipeline(transaction=False)
        pipeline.set(entry.mark, secrets.token_hex(8), ex=LONGEST_COMPUTATION + 60 + ttl)
        pipeline.delete(entry.value)
        pipeline.delete(entry.lock)
        yield pipeline.execute()
        return True

    def forget_tags(self, tags: tuple[str, ...]) -> Script[bool]:
        """Make all that carries one of the tags good for nobody.

        Raises:
            TypeError: a tag is no text.
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

    # -- asking -----------------------------------------------------------------------------------

    def run(self, script: Script[T], *, insist: bool = False) -> T | None:
        """Return what ``script`` returns; None where Redis is away or refuses. Never raises.

        With ``insist`` Redis is asked although it was away a moment ago.
        """
        if not insist and self._leave_alone():
            return None
        try:
            answer = next(script)
            while True:
                answer = script.send(answer)
        except StopIteration as done:
            self.is_away = False
            value: T = done.value
            return value
        except Exception as error:  # noqa: BLE001  # a cache that fails is a cache that misses
            self._failed(error)
            return None

    async def run_async(self, script: Script[T], *, insist: bool = False) -> T | None:
        """Return what :meth:`run` returns; neither kind of client holds up the event loop."""
        if not self.is_async:
            return await asyncio.to_thread(self.run, script, insist=insist)
        if not insist and self._leave_alone():
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
        except Exception as error:  # noqa: BLE001  # a cache that fails is a cache that misses
            self._failed(error)
            return None

    def _leave_alone(self) -> bool:
        """Tell whether Redis is to be left alone; of those who find that it is not, one asks."""
        if not self.is_away:
            return False
        now = time.monotonic()
        if now < self._rests_until:
            return True
        self._rests_until = now + self._timeout + _REST_SECONDS
        return False

    def _failed(self, error: Exception) -> None:
        kind = type(error).__name__
        if isinstance(error, ResponseError):  # it is there, and may still be read: full, read-only
            if kind not in self._refusals:
                self._refusals.add(kind)
                _LOG.warning("The Redis of the cache refuses commands: %s", kind)
            return
        if not self.is_away:
            _LOG.warning("The Redis of the cache does not answer: %s", kind)
        self.is_away = True
        self._rests_until = time.monotonic() + _REST_SECONDS

    def _bytes(self, answer: bytes | str | None) -> bytes | None:
        """Return an answer as it is in Redis, whatever the app's client makes of it."""
        if isinstance(answer, str):
            return answer.encode(self.client.get_encoder().encoding)
        return answer


def _good(stored: bytes | None, marks: list[bytes]) -> bytes | None:
    """Return the result in what is stored, if its marks are the ones that hold now."""
    if stored is None:
        return None
    head, _, data = stored.partition(b"|")
    own, *tags = head.split(b",")
    is_good = own == marks[0] or not marks[0]
    return data if is_good and tags == marks[1:] and all(tags) else None
