"""Checks run concurrently, within a timeout, never twice at once, and reveal no details."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_value

from etter_obs._internal.context import RequestContext, current_request
from etter_obs._internal.conventions import HealthReason, HealthStatus
from etter_obs._internal.health import Health
from etter_obs._internal.settings import Settings

SECRET = "postgresql://etter:hunter2@db.internal/etter"


def health(**settings: float) -> Health:
    """A started Health, by default without a cache."""
    made = Health(Settings(**{"health_max_age": 0.0, **settings}))  # type: ignore[arg-type]
    made.mark_started()
    return made


async def reason_of(checks: Health, name: str) -> HealthReason:
    """The reason that the one named check gives now."""
    outcomes = (await checks.summary()).outcomes
    assert outcomes is not None
    return outcomes[name].reason


async def test_checks_run_at_once() -> None:
    """Checks that wait for each other, two sync and two async, pass: one by one none would."""
    threads, tasks = threading.Barrier(2, timeout=5), asyncio.Barrier(2)
    checks = health(health_timeout=5.0)
    for name in ("a", "b"):
        checks.add(f"sync {name}", threads.wait)
        checks.add(f"async {name}", tasks.wait)
    assert (await checks.summary()).status is HealthStatus.HEALTHY


class ClientError(Exception):
    """What a database or cache driver raises around the operating system's error."""


def raising(error: BaseException, cause: BaseException | None = None) -> None:
    """Raise ``error``, as a client that wraps ``cause`` does."""
    raise error from cause


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (lambda: None, HealthReason.OK),
        (lambda: True, HealthReason.OK),
        (lambda: (1,), HealthReason.OK),
        (lambda: False, HealthReason.FAILED),
        (lambda: HealthReason.POOL_EXHAUSTED, HealthReason.POOL_EXHAUSTED),
        (lambda: raising(ValueError(SECRET)), HealthReason.FAILED),
        (lambda: raising(TimeoutError(SECRET)), HealthReason.TIMEOUT),
        (lambda: raising(ConnectionRefusedError(SECRET)), HealthReason.UNREACHABLE),
        (lambda: raising(ClientError(), OSError(SECRET)), HealthReason.UNREACHABLE),
        (lambda: raising(ClientError(), TimeoutError()), HealthReason.TIMEOUT),
    ],
)
async def test_every_answer_and_error_becomes_one_fixed_reason(
    check: object, reason: HealthReason
) -> None:
    """Results and exceptions of sync and async checks are reported in the fixed vocabulary."""

    async def asynchronous() -> object:
        return check()  # type: ignore[operator]

    checks = health()
    checks.add("sync", check)  # type: ignore[arg-type]
    checks.add("async", asynchronous)
    assert await reason_of(checks, "sync") is reason
    assert await reason_of(checks, "async") is reason


async def test_a_bound_method_of_an_async_client_is_a_check() -> None:
    """A plain callable that returns an awaitable is awaited, and fails as one."""

    class Client:
        def ping(self) -> object:
            return self._answer()

        async def _answer(self) -> bool:
            return False

    checks = health()
    checks.add("redis", Client().ping)
    assert await reason_of(checks, "redis") is HealthReason.FAILED


@pytest.mark.parametrize("kind", ["sync", "async", "deaf"])
async def test_a_hanging_check_times_out_and_recovers(kind: str) -> None:
    """A check that hangs is a timeout after its own time; released, it is healthy again."""
    release = threading.Event()

    def hang() -> None:
        release.wait(30)

    async def wait() -> None:
        await asyncio.to_thread(release.wait, 30)

    async def deaf() -> None:
        while not release.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue

    checks = health()
    checks.add("slow", {"sync": hang, "async": wait, "deaf": deaf}[kind], timeout=0.2)
    begun = time.perf_counter()
    assert await reason_of(checks, "slow") is HealthReason.TIMEOUT
    assert time.perf_counter() - begun < 10
    release.set()
    for _ in range(100):
        if await reason_of(checks, "slow") is HealthReason.OK:
            break
    else:
        pytest.fail("it does not recover")


class Hastened(BaseException):
    """A BaseException with which a library ends a call, like gevent's timeout."""


@pytest.mark.parametrize("error", [Hastened(), SystemExit(1), KeyboardInterrupt()])
async def test_a_check_that_was_ended_from_within_runs_again(error: BaseException) -> None:
    """What is no Exception fails the check at once, ends nothing else, and the next run counts."""
    errors = [error]

    def check() -> None:
        if errors:
            raise errors.pop()

    checks = health(health_timeout=30.0, health_deadline=30.0)
    checks.add("ended", check)
    assert await reason_of(checks, "ended") is HealthReason.FAILED
    assert await reason_of(checks, "ended") is HealthReason.OK


async def test_a_check_that_hangs_in_a_thread_holds_one_thread_only() -> None:
    """Asked five times while it hangs, a sync check has begun once."""
    release, begun = threading.Event(), []

    def hang() -> None:
        begun.append(1)
        release.wait(30)

    checks = health()
    checks.add("slow", hang, timeout=0.05)
    for _ in range(5):
        assert await reason_of(checks, "slow") is HealthReason.TIMEOUT
    release.set()
    assert len(begun) == 1


async def test_the_total_deadline_bounds_the_answer() -> None:
    """A check with a longer timeout than the whole deadline does not hold the answer."""
    checks = health(health_deadline=0.2)
    checks.add("slow", lambda: asyncio.sleep(60), timeout=30.0)
    checks.add("fast", lambda: None)
    begun = time.perf_counter()
    summary = await checks.summary()
    assert time.perf_counter() - begun < 10
    assert summary.outcomes is not None
    assert summary.outcomes["slow"].reason is HealthReason.TIMEOUT
    assert summary.outcomes["fast"].healthy


async def test_concurrent_askers_share_one_run() -> None:
    """Fifty askers at once run the check once; each has its outcome."""
    runs = []

    async def check() -> None:
        runs.append(1)
        await asyncio.sleep(0.05)

    checks = health()
    checks.add("shared", check)
    summaries = await asyncio.gather(*(checks.summary() for _ in range(50)))
    assert {s.status for s in summaries} == {HealthStatus.HEALTHY}
    assert len(runs) == 1


async def test_an_outcome_is_kept_for_its_maximum_age_and_no_longer() -> None:
    """Within the age the outcome is taken as it is; beyond it the check runs again."""
    runs: list[float] = []
    checks = health(health_max_age=0.3)
    checks.add("cached", lambda: runs.append(time.monotonic()))
    async with asyncio.timeout(30):
        while len(runs) < 2:
            await checks.summary()
            await asyncio.sleep(0.01)
    first, second = runs
    assert second - first > 0.3


async def test_an_asker_who_leaves_does_not_stop_the_run() -> None:
    """Cancelling one asker leaves the others their outcome."""
    checks = health()
    checks.add("slow", lambda: asyncio.sleep(0.1))
    first = asyncio.create_task(checks.summary())
    second = asyncio.create_task(checks.summary())
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).status is HealthStatus.HEALTHY


async def test_critical_and_optional_failures_differ() -> None:
    """An optional failure degrades the whole, a critical one makes it unhealthy."""
    checks = health()
    checks.add("cache", lambda: False, critical=False)
    assert (await checks.summary()).status is HealthStatus.DEGRADED
    checks.add("database", lambda: False)
    assert (await checks.summary()).status is HealthStatus.UNHEALTHY


async def test_a_check_leaves_no_span_and_belongs_to_no_request() -> None:
    """Inside a check instrumentation is off and the asker's request is not the current one."""
    seen: list[tuple[object, object]] = []

    def look() -> None:
        seen.append((get_value(_SUPPRESS_INSTRUMENTATION_KEY), current_request.get()))

    async def look_too() -> None:
        look()

    checks = health()
    checks.add("sync", look)
    checks.add("async", look_too)
    current_request.set(RequestContext("id", "0" * 32, "0" * 16, False, "GET", "/health/detailed"))
    await checks.summary()
    assert seen == [(True, None), (True, None)]


async def test_a_failure_is_logged_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    """The log reports the change to a failure, with its error, and the change back."""
    broken = True

    def check() -> None:
        if broken:
            raise ConnectionRefusedError("refused")

    checks = health()
    checks.add("database", check)
    with caplog.at_level("INFO", "etter_obs.health"):
        for _ in range(3):
            await checks.summary()
        broken = False
        await checks.summary()
    assert [r.getMessage() for r in caplog.records] == [
        "health check database fails: unreachable",
        "health check database passes again",
    ]
    assert caplog.records[0].exc_info is not None


def test_checks_survive_a_change_of_event_loop() -> None:
    """A process that runs one event loop after another runs the same checks in both."""
    checks = health()
    checks.add("sync", lambda: None)
    checks.add("async", lambda: asyncio.sleep(0))
    for _ in range(2):
        assert asyncio.run(checks.summary()).status is HealthStatus.HEALTHY


@pytest.mark.parametrize(
    ("name", "timeout"), [("", 1.0), ("a\nb", 1.0), ("a" * 65, 1.0), ("a", 0.0), ("a", -1.0)]
)
def test_a_check_that_cannot_be_is_refused(name: str, timeout: float) -> None:
    """A name that cannot be a label, or a timeout that is no time, is refused by name."""
    with pytest.raises(ValueError, match="health check"):
        health().add(name, lambda: None, timeout=timeout)
