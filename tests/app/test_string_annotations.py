"""Decorated endpoints in a module whose annotations are strings, as FastAPI reads them.

test_fastapi_versions.py runs this on the versions that look annotations up where the *decorator*
was written.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel

from etter_obs import cached, count_exceptions, counted, timed, traced, track_request_metrics
from tests.app.asgi import Answer, observed, request

aclosing = None  # a module's own name is none of the decorators' business


class Order(BaseModel):
    """The body of a request; only this module knows it."""

    number: int


async def ask(app: FastAPI) -> Answer:
    """Send an order."""
    headers = [(b"content-type", b"application/json")]
    return await request(app, "POST", "/orders", headers, body=b'{"number": 2}')


DECORATORS: dict[str, Callable[[Any], Any]] = {
    "timed": timed("a"),
    "counted": counted("b"),
    "count_exceptions": count_exceptions("c"),
    "traced": traced("d"),
    "track_request_metrics": track_request_metrics("/orders"),
    "cached": cached(name="e", ttl=1),
    "all": lambda f: timed("f")(traced("g")(cached(name="h", ttl=1)(f))),
}


async def coroutine(
    order: Order, asked: Request, double: Annotated[int, Depends(doubled)]
) -> Order:
    """Take a model, the request and a dependency."""
    return Order(number=order.number + double)


def plain(order: Order, asked: Request, double: Annotated[int, Depends(doubled)]) -> Order:
    """Take the same, on a thread."""
    return Order(number=order.number + double)


def doubled(order: Order) -> int:
    """Depend on the body."""
    return order.number * 2


@pytest.mark.parametrize("decorate", DECORATORS.values(), ids=DECORATORS)
@pytest.mark.parametrize("function", [coroutine, plain])
async def test_a_decorated_endpoint_takes_what_it_took(
    function: Callable[..., Any], decorate: Callable[[Any], Any]
) -> None:
    """Body, request and dependency are found by annotations that are strings."""
    app = FastAPI()
    app.post("/orders")(decorate(function))
    with observed(app):
        assert (await ask(app)).status == 200


@timed("dependency")
async def opened(order: Order) -> AsyncIterator[int]:
    """Depend on the body, and clean up."""
    yield order.number


@timed("dependency")
def opened_plainly(order: Order) -> Iterator[int]:
    """Depend on the body, and clean up."""
    yield order.number


class Callee:
    """An object that is called."""

    async def __call__(self, order: Order) -> Order:
        """Answer."""
        return order


@pytest.mark.parametrize(
    "dependency",
    [opened, opened_plainly, timed("x")(functools.partial(doubled)), timed("x")(Callee())],
)
async def test_a_decorated_dependency_takes_what_it_took(dependency: Any) -> None:
    """Generators, partials and callable objects too."""
    app = FastAPI()

    @app.post("/orders")
    def answer(order: Order, value: Any = Depends(dependency)) -> Order:  # noqa: B008
        return order

    with observed(app):
        assert (await ask(app)).status == 200
