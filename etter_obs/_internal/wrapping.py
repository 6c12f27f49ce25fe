"""Wrap every call of a function, whatever kind of function it is."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager, aclosing
from types import FunctionType
from typing import Any, Final, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

_NAMES: Final = ("__module__", "__name__", "__qualname__")
Measure = Callable[[], AbstractContextManager[object]]


def around(measure: Measure) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that runs each call inside the context of ``measure()``.

    The context of a coroutine function ends when the coroutine is done, not when it is created. The
    context of a generator ends when the generator is exhausted or closed. The function keeps its
    kind, signature and type.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        for is_kind, wrap in (
            (inspect.iscoroutinefunction, _coroutine),
            (inspect.isasyncgenfunction, _async_generator),
            (inspect.isgeneratorfunction, _generator),
        ):
            if is_kind(function):
                return cast("Callable[P, R]", _like(function, wrap(function, measure)))

        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            with measure():
                return function(*args, **kwargs)

        return _like(function, called)

    return decorate


def replacing(function: Callable[P, R], call: Callable[..., Any]) -> Callable[P, R]:
    """Return a function that calls ``call`` and has the kind, signature and type of ``function``.

    ``call`` returns an awaitable if ``function`` is a coroutine function.
    """

    async def called_async(*args: Any, **kwargs: Any) -> Any:
        return await call(*args, **kwargs)

    def called(*args: Any, **kwargs: Any) -> Any:
        return call(*args, **kwargs)

    wrapper: Callable[..., Any] = called
    if inspect.iscoroutinefunction(function):
        wrapper = called_async
    return cast("Callable[P, R]", _like(function, wrapper))


def _like(function: Callable[..., Any], wrapper: Callable[P, R]) -> Callable[P, R]:
    """Return ``wrapper``, which uses no global name of this module, disguised as ``function``.

    Its globals are those of ``function``. FastAPI before 0.124 resolves string annotations in
    ``__globals__`` and does not look behind ``__wrapped__``, at the time the route is added.
    """
    namespace = _namespace(function)
    made: Any = wrapper
    if namespace is not None:
        made = FunctionType(
            made.__code__, namespace, made.__name__, made.__defaults__, made.__closure__
        )
    # A partial has no name; without one, the next decorator would see the name of the wrapper.
    functools.update_wrapper(made, named(function), assigned=_NAMES, updated=())
    others = [name for name in functools.WRAPPER_ASSIGNMENTS if name not in _NAMES]
    return cast("Callable[P, R]", functools.update_wrapper(made, function, assigned=others))


def _namespace(function: Callable[..., Any]) -> dict[str, Any] | None:
    """Return the globals of the module that defines ``function``; None if it is not Python code."""
    inner: Any = inspect.unwrap(function)
    while isinstance(inner, functools.partial):
        inner = inspect.unwrap(inner.func)
    if not hasattr(inner, "__globals__"):
        inner = type(inner).__call__
    return getattr(inner, "__globals__", None)


def named(function: Callable[..., Any]) -> Any:
    """Return the object that names ``function``: the target of a partial, a callable's class."""
    while isinstance(function, functools.partial):
        function = function.func
    return function if hasattr(function, "__qualname__") else type(function)


def refuse_function(decorator: str, first: object) -> None:
    """Reject ``@decorator`` without parentheses.

    Raises:
        TypeError: ``first``, the decorator's first argument, is the function itself.
    """
    if callable(first):
        raise TypeError(f"@{decorator} requires parentheses; write @{decorator}('a name')")


def _coroutine(function: Callable[..., Any], measure: Measure) -> Callable[..., Any]:
    async def called(*args: Any, **kwargs: Any) -> Any:
        with measure():
            return await function(*args, **kwargs)

    return called


def _generator(function: Callable[..., Any], measure: Measure) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with measure():
            return (yield from function(*args, **kwargs))

    return called


def _async_generator(function: Callable[..., Any], measure: Measure) -> Callable[..., Any]:
    closing = aclosing  # not a global name: see _like

    async def called(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        with measure():
            async with closing(function(*args, **kwargs)) as inner:
                step = inner.__anext__()
                while True:
                    try:
                        item = await step
                    except StopAsyncIteration:
                        return
                    try:
                        step = inner.asend((yield item))
                    except GeneratorExit:
                        raise
                    except BaseException as error:  # noqa: BLE001  # the exception is for the inner generator
                        step = inner.athrow(error)

    return called
