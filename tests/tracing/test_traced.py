"""``traced`` on functions of every kind."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from fastapi import FastAPI
from opentelemetry import trace

from etter_obs import traced
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.redaction.redactor import Redactor
from etter_obs._internal.tracing import Tracing
from tests.services import Received, Receiver
from tests.tracing.observed import observed, settings_for


@contextmanager
def tracing(otlp: Receiver) -> Iterator[None]:
    """Trace to ``otlp`` and export everything at the end."""
    tracing = Tracing(
        settings_for(otlp),
        service="service",
        environment="test",
        registry=MetricsRegistry("etter"),
        redactor=Redactor(),
    )
    yield
    tracing.close(10)


def one(otlp: Receiver) -> Received:
    """Return the only span."""
    (span,) = otlp.spans
    return span


def test_a_function_keeps_its_signature_and_gets_a_span(otlp: Receiver) -> None:
    """The span has the qualified name, the function its signature, name and value."""

    @traced()
    def add(a: int, b: int = 2) -> int:
        """Add."""
        return a + b

    with tracing(otlp):
        assert add(1) == 3
    assert one(otlp).name.endswith("<locals>.add")
    assert str(inspect.signature(add)) == "(a: 'int', b: 'int' = 2) -> 'int'"
    assert add.__doc__ == "Add."


async def test_a_coroutine_functions_span_lasts_until_it_is_awaited(otlp: Receiver) -> None:
    """What runs inside is a child of the span, which an exception marks."""

    @traced("outer")
    async def outer() -> None:
        await inner()

    @traced("inner")
    async def inner() -> None:
        raise LookupError("nowhere")

    assert inspect.iscoroutinefunction(outer)
    with tracing(otlp), pytest.raises(LookupError):
        await outer()
    assert otlp.named("inner").parent_id == otlp.named("outer").span_id
    assert otlp.named("inner").error
    assert otlp.named("inner").events[0][1]["exception.type"] == "LookupError"


async def test_generators_have_a_span_that_ends_with_them(otlp: Receiver) -> None:
    """The span of a generator of either kind covers it, and leaks into no caller's context."""

    @traced("numbers")
    def numbers() -> Iterator[int]:
        yield 1
        yield 2

    @traced("letters")
    async def letters() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    assert inspect.isgeneratorfunction(numbers)
    assert inspect.isasyncgenfunction(letters)
    with tracing(otlp):
        seen: list[object] = []
        for number in numbers():
            assert not trace.get_current_span().is_recording()
            seen.append(number)
        async for letter in letters():
            assert not trace.get_current_span().is_recording()
            seen.append(letter)
    assert seen == [1, 2, "a", "b"]
    assert {span.name for span in otlp.spans} == {"numbers", "letters"}


def test_a_generator_takes_what_is_sent_and_returns_its_value(otlp: Receiver) -> None:
    """send() and the return value go through."""

    @traced("echo")
    def echo() -> Generator[int, int, int]:
        got = yield 1
        return got

    with tracing(otlp):
        generator = echo()
        next(generator)
        with pytest.raises(StopIteration) as stop:
            generator.send(42)
    assert stop.value.value == 42


async def test_in_an_unsampled_request_there_is_no_span(otlp: Receiver) -> None:
    """A function of an unsampled request runs without a span."""
    app = FastAPI()

    @traced()
    def work() -> int:
        return 1

    @app.get("/")
    async def root() -> int:
        return work()

    async with observed(app, otlp, sampler="always_off") as client:
        assert (await client.get("/")).json() == 1
    assert otlp.recorded == []


def test_a_second_set_up_gets_the_spans_of_functions_decorated_before(otlp: Receiver) -> None:
    """Functions decorated once trace to whichever provider is in place when they run."""

    @traced("work")
    def work() -> None:
        pass

    for count in (1, 2):
        with tracing(otlp):
            work()
        assert [span.name for span in otlp.spans] == ["work"] * count


def test_a_partial_has_the_name_of_what_it_calls(otlp: Receiver) -> None:
    """A span without a name of its own has that of the function that a partial calls."""
    with tracing(otlp):
        traced()(partial(max, 1))(2)
    assert otlp.named("max")


def test_the_parentheses_are_asked_for() -> None:
    """@traced without them is reported, not half done."""
    with pytest.raises(TypeError, match=r"@traced requires parentheses"):
        traced(lambda: None)  # type: ignore[arg-type]
