"""Measure the commands of a Redis client, and trace those of sampled requests."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import WatchError

from etter_obs._internal.cache.server_info import watch_server
from etter_obs._internal.context import current_request
from etter_obs._internal.conventions import REDIS_COMMAND_DURATION, REDIS_ERRORS
from etter_obs._internal.newest_app import NewestOn
from etter_obs._internal.operations import Operation, OperationKind, Watch
from etter_obs._internal.optional_dependencies import REDIS_SPANS
from etter_obs._internal.tracing.propagation import in_unsampled_request
from etter_obs._internal.tracing.semconv import stable_conventions

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from etter_obs._internal.metrics.children import Counter, Histogram
    from etter_obs._internal.metrics.registry import MetricsRegistry
    from etter_obs._internal.tracing import Tracing

COMMANDS: Final = frozenset(
    (  # noqa: SIM905
        "append blpop brpop copy decr decrby del eval evalsha exists expire expireat "
        "fcall flushall flushdb geoadd geosearch get getdel getex getrange getset hdel "
        "hexists hget hgetall hincrby hkeys hlen hmget hmset hscan hset hsetnx hvals incr "
        "incrby incrbyfloat info keys lindex llen lmove lpop lpush lrange lrem lset ltrim "
        "mget mset msetnx persist pexpire ping psetex pttl publish rename rpop rpush sadd "
        "scan scard sdiff set setex setnx setrange sinter sismember smembers smove spop "
        "srandmember srem sscan strlen sunion ttl type unlink unwatch wait watch xack "
        "xadd xdel xgroup xlen xrange xread xreadgroup xtrim zadd zcard zcount zincrby "
        "zpopmax zpopmin zrange zrangebyscore zrank zrem zremrangebyrank zremrangebyscore "
        "zrevrange zscan zscore "
    ).split()
)
"""The values of the label ``command``, besides ``pipeline`` and ``other``."""
PIPELINE: Final = "pipeline"
OTHER: Final = "other"
_MAX_SPELLINGS: Final = 512
_OFFICIAL_MARK: Final = "_is_instrumented_by_opentelemetry"
_clients: Final = NewestOn()


def instrument_redis(
    client: Any,
    registry: MetricsRegistry,
    tracing: Tracing,
    *,
    reads_server: bool = True,
    watch: Watch | None = None,
) -> Callable[[], None]:
    """Measure the commands of a client, trace those of sampled requests, and watch the server.

    If several apps observe one client, the newest app measures it.

    Args:
        client: ``redis.Redis`` or ``redis.asyncio.Redis``. A cluster's client is measured too; its
            server metrics are those of the default node, and absent for an async client.
        registry: receives the ``redis_*`` and ``cache_*`` metrics.
        tracing: provides the tracer provider for the spans.
        reads_server: whether to query the server for evictions, writes and memory; the metrics have
            no label, so only one client may do so.
        watch: accepts every command; None if nothing shows them.

    Returns:
        The undo, which restores the client; a second call does nothing. Existing pipelines remain
        measured.
    """
    return _clients.put(client, partial(_patch, client, registry, tracing, reads_server, watch))


def _patch(
    client: Any,
    registry: MetricsRegistry,
    tracing: Tracing,
    reads_server: bool,
    watch: Watch | None,
) -> Callable[[], None]:
    plain_execute, plain_pipeline = client.execute_command, client.pipeline
    traced_execute, traced_pipeline = plain_execute, plain_pipeline
    if tracing.enabled:
        traced = REDIS_SPANS.attempt(lambda: _official(client, tracing.provider))
        traced_execute, traced_pipeline = traced or (plain_execute, plain_pipeline)
    measure = _Measure(registry) if watch is None else _WatchedMeasure(registry, watch)

    def pipeline(*args: Any, **kwargs: Any) -> Any:
        made = (plain_pipeline if in_unsampled_request() else traced_pipeline)(*args, **kwargs)
        made.execute = measure.wrap(made.execute, made.execute, fixed=PIPELINE)
        if hasattr(made, "immediate_execute_command"):
            immediate = made.immediate_execute_command
            made.immediate_execute_command = measure.wrap(immediate, immediate)
        return made

    ours = {"execute_command": measure.wrap(plain_execute, traced_execute), "pipeline": pipeline}
    vars(client).update(ours)
    unwatch = watch_server(client, plain_execute, registry) if reads_server else lambda: None

    def undo() -> None:
        unwatch()
        for name, plain in (("execute_command", plain_execute), ("pipeline", plain_pipeline)):
            if vars(client).get(name) is not ours[name]:
                continue  # already undone, or wrapped by a later patch, whose undo comes first
            del vars(client)[name]
            if getattr(client, name) != plain:
                vars(client)[name] = plain  # the user's own wrapper
        if traced_execute is not plain_execute:
            vars(client).pop(_OFFICIAL_MARK, None)

    return undo


def _official(client: Any, provider: TracerProvider) -> tuple[Any, Any]:
    """Return ``execute_command`` and ``pipeline`` with OpenTelemetry's instrumentation."""
    from opentelemetry.instrumentation.redis import RedisInstrumentor

    instrumentor = RedisInstrumentor()
    theirs = instrumentor.is_instrumented_by_opentelemetry or getattr(client, _OFFICIAL_MARK, False)
    if not theirs:  # if already instrumented, a second time would duplicate its spans
        with stable_conventions():
            instrumentor.instrument_client(client, tracer_provider=provider)
    return client.execute_command, client.pipeline


class _Measure:
    """Create measured versions of a client's methods."""

    def __init__(self, registry: MetricsRegistry) -> None:
        self._durations = registry.histogram(REDIS_COMMAND_DURATION)
        self._errors = registry.counter(REDIS_ERRORS)
        # A command's spelling (text or bytes, any case) → its children.
        self._known: dict[Any, tuple[Histogram, Counter]] = {}

    def wrap(self, plain: Any, traced: Any, fixed: str | None = None) -> Callable[..., Any]:
        """Return a method that measures a command.

        Args:
            plain: the method to call in an unsampled request.
            traced: the method to call otherwise, which creates a span.
            fixed: name of the command; default: the first argument of each call.

        Returns:
            A method with the signature of ``plain``.
        """
        if inspect.iscoroutinefunction(plain):

            async def call_async(*args: Any, **kwargs: Any) -> Any:
                with _Timing(*self._children(fixed or args[0])):
                    return await (plain if in_unsampled_request() else traced)(*args, **kwargs)

            return call_async

        def call(*args: Any, **kwargs: Any) -> Any:
            with _Timing(*self._children(fixed or args[0])):
                return (plain if in_unsampled_request() else traced)(*args, **kwargs)

        return call

    def _children(self, spelling: Any) -> tuple[Histogram, Counter]:
        known = self._known.get(spelling)
        if known is None:
            label = spelling if spelling == PIPELINE else _label(spelling)
            known = (self._durations.child(label), self._errors.child(label))
            if len(self._known) < _MAX_SPELLINGS:
                self._known[spelling] = known
        return known


class _WatchedMeasure(_Measure):
    """Pass every command to ``watch`` as well."""

    def __init__(self, registry: MetricsRegistry, watch: Watch) -> None:
        super().__init__(registry)
        self._watch = watch

    def wrap(self, plain: Any, traced: Any, fixed: str | None = None) -> Callable[..., Any]:
        """Return a method that measures a command and passes it on."""
        measured = super().wrap(plain, traced, fixed)
        if inspect.iscoroutinefunction(plain):

            async def call_async(*args: Any, **kwargs: Any) -> Any:
                with _Watching(self._watch, fixed or args[0]):
                    return await measured(*args, **kwargs)

            return call_async

        def call(*args: Any, **kwargs: Any) -> Any:
            with _Watching(self._watch, fixed or args[0]):
                return measured(*args, **kwargs)

        return call


class _Watching:
    """Pass a block to ``watch`` as one command, for sync and async callers."""

    __slots__ = ("_spelling", "_started", "_watch")

    def __init__(self, watch: Watch, spelling: Any) -> None:
        self._watch = watch
        self._spelling = spelling

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        name = PIPELINE if self._spelling == PIPELINE else _label(self._spelling)
        outcome = "" if kind is None else kind.__name__
        failed = isinstance(error, Exception) and not isinstance(error, WatchError)
        end = time.perf_counter()
        self._watch(
            Operation(OperationKind.REDIS, name.upper(), self._started, end, outcome, failed)
        )


def _label(spelling: Any) -> str:
    text = spelling.decode("ascii", "replace") if isinstance(spelling, bytes) else str(spelling)
    word = text.split(" ", 1)[0].lower()
    return word if word in COMMANDS else OTHER


class _Timing:
    """Time a block, for sync and async callers."""

    __slots__ = ("_duration", "_errors", "_started")

    def __init__(self, duration: Histogram, errors: Counter) -> None:
        self._duration = duration
        self._errors = errors

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        request = current_request.get()
        self._duration.observe(
            time.perf_counter() - self._started,
            request.trace_id if request is not None and request.sampled else None,
        )
        # A WatchError is an answer, and a cancelled call is not a failed one.
        if isinstance(error, Exception) and not isinstance(error, WatchError):
            self._errors.inc()
