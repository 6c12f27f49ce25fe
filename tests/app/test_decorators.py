from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest
from fastapi import FastAPI

from etter_obs import count_exceptions, counted, timed, track_request_metrics
from tests.app.asgi import Metrics, observed, scrape


def plain(x: int) -> int:
    """Return what it gets."""
    return x


async def coroutine(x: int) -> int:
    """Return what it gets, later."""
    await asyncio.sleep(0.02)
    return x


def generator(x: int) -> Iterator[int]:
    """Yield twice."""
    yield x
    yield x


async def async_generator(x: int) -> AsyncIterator[int]:
    """Yield twice."""
    yield x
    await asyncio.sleep(0.02)
    yield x


async def use(function: Any) -> Any:
    """Call a function of any kind and use it up."""
    result = function(7)
    if inspect.isasyncgen(result):
        return [item async for item in result]
    if inspect.isgenerator(result):
        return list(result)
    return await result if inspect.isawaitable(result) else result


async def counts(use_it: Any) -> Metrics:
    """Run a coroutine while an app is observed, and scrape."""
    app = FastAPI()
    with observed(app):
        await use_it
        return await scrape(app)


KINDS = [plain, coroutine, generator, async_generator]


@pytest.mark.parametrize("function", KINDS)
@pytest.mark.parametrize("decorator", [timed, counted, count_exceptions])
async def test_a_decorated_function_stays_what_it_was(function: Any, decorator: Any) -> None:
    """Kind, signature, name, documentation and result are the same."""
    decorated = decorator()(function)
    assert inspect.signature(decorated) == inspect.signature(function)
    assert decorated.__name__ == function.__name__
    assert decorated.__doc__ == function.__doc__
    for kind in (
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
    ):
        assert kind(decorated) == kind(function)
    assert await use(decorated) == await use(function)


@pytest.mark.parametrize("function", KINDS)
async def test_each_kind_is_timed_and_counted_once(function: Any) -> None:
    """One call is one observation, of the awaited time where there is something to await."""
    name = f"{function.__module__}.{function.__qualname__}"
    metrics = await counts(use(timed()(counted()(function))))
    assert metrics.of("function_calls_total") == {(name,): 1.0}
    assert metrics.of("function_duration_seconds_count") == {(name,): 1.0}
    if function in (coroutine, async_generator):
        assert metrics.value("function_duration_seconds_sum", name) >= 0.02


async def test_a_method_is_counted_under_the_name_it_is_given() -> None:
    """The name is a choice; the instance arrives."""

    class Service:
        @counted("search")
        def find(self, what: str) -> tuple[Service, str]:
            return self, what

    service = Service()

    async def call() -> None:
        assert service.find("x") == (service, "x")

    assert (await counts(call())).of("function_calls_total") == {("search",): 1.0}


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_exception_is_counted_by_its_type_and_goes_on(is_async: bool) -> None:
    """The caller gets the exception; the counter its type."""

    @count_exceptions("job")
    def fails() -> None:
        raise KeyError("on purpose")

    @count_exceptions("job")
    async def fails_later() -> None:
        raise KeyError("on purpose")

    async def call() -> None:
        with pytest.raises(KeyError):
            await use(lambda _: fails_later() if is_async else fails())

    metrics = await counts(call())
    assert metrics.of("function_exceptions_total") == {("job", "KeyError"): 1.0}


async def test_values_sent_and_exceptions_thrown_reach_a_decorated_generator() -> None:
    """``send``, ``throw`` and ``close`` work as on the bare async generator."""
    seen: list[Any] = []

    @timed("talk")
    async def talk() -> AsyncIterator[str]:
        try:
            seen.append((yield "first"))
            yield "second"
        except ValueError as error:
            seen.append(error)
            yield "caught"
        finally:
            seen.append("closed")

    talking: Any = talk()
    assert await anext(talking) == "first"
    assert await talking.asend("hello") == "second"
    error = ValueError("thrown in")
    assert await talking.athrow(error) == "caught"
    await talking.aclose()
    assert seen == ["hello", error, "closed"]


@pytest.mark.parametrize(("fails", "status"), [(False, "200"), (True, "500")])
async def test_outside_a_request_track_request_metrics_counts_by_itself(
    fails: bool, status: str
) -> None:
    """A job is counted as a request of its own: 200, or 500 where it raises."""

    @track_request_metrics("nightly")
    async def job() -> None:
        if fails:
            raise RuntimeError("on purpose")

    async def call() -> None:
        if fails:
            with pytest.raises(RuntimeError):
                await job()
        else:
            await job()

    metrics = await counts(call())
    assert metrics.of("requests_total") == {("POST", "nightly", status): 1.0}
    assert metrics.value("active_requests") == 0


async def test_decorated_functions_work_where_nothing_is_observed() -> None:
    """Without set-up the decorators only call the function."""
    assert (
        await use(timed()(counted()(count_exceptions()(track_request_metrics("x")(coroutine)))))
        == 7
    )


class Doubling:
    """A callable object."""

    def __call__(self, x: int) -> int:
        """Return twice what it gets."""
        return 2 * x


@pytest.mark.parametrize(
    ("function", "name", "kept"),
    [
        (partial(plain, 7), "plain", 7),
        (partial(partial(coroutine), 7), "coroutine", 7),
        (partial(Doubling(), 7), "Doubling", 14),
    ],
)
async def test_what_has_no_name_is_counted_under_that_of_what_it_calls(
    function: Any, name: str, kept: int
) -> None:
    """A partial is counted as its function, an object as its class, without a name given."""
    seen: list[Any] = []

    async def call() -> None:
        result = timed()(counted()(function))()
        seen.append(await result if inspect.isawaitable(result) else result)

    metrics = await counts(call())
    assert metrics.of("function_calls_total") == {(f"{__name__}.{name}",): 1.0}
    assert metrics.of("function_duration_seconds_count") == {(f"{__name__}.{name}",): 1.0}
    assert seen == [kept]


@pytest.mark.parametrize("decorator", [timed, counted, count_exceptions, track_request_metrics])
def test_forgotten_parentheses_are_one_clear_error(decorator: Any) -> None:
    """``@timed`` in place of ``@timed()`` says what to write, by the decorator's own name."""
    with pytest.raises(TypeError, match=f"@{decorator.__name__} requires parentheses"):
        decorator(plain)
