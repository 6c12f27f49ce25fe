"""Wraps an app's whole middleware stack, even if other libraries replace the stack."""

from __future__ import annotations

from collections.abc import Callable
from types import new_class
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp

from etter_obs._internal.requests.middleware import ObservabilityMiddleware

if TYPE_CHECKING:
    from starlette.applications import Starlette

Build = Callable[[], ASGIApp]


def wrap_stack(
    app: Starlette, wrap: Callable[[ASGIApp], ObservabilityMiddleware]
) -> Callable[[], None]:
    """Wrap the app's middleware stack, now or when it is built; return the undo.

    Other libraries also replace ``app.build_middleware_stack`` (OpenTelemetry's instrumentation
    does), before or after this call. The app gets its own class, in which that name is a property:
    a function assigned to it builds the inner part, and our middleware stays outermost.
    """
    own_class = type(app)
    theirs: list[Build] = [vars(app).pop("build_middleware_stack")] if _is_replaced(app) else []
    building = False

    def build() -> ASGIApp:
        nonlocal building
        if building or not theirs:
            inner = own_class.build_middleware_stack(app)
            return inner if building else wrap(inner)
        building = True  # their function calls the original through this property
        try:
            return wrap(theirs[-1]())
        finally:
            building = False

    def put(_: Starlette, value: Build) -> None:
        theirs.append(value)

    def remove(_: Starlette) -> None:
        theirs.pop()

    namespace: dict[str, Any] = {
        "build_middleware_stack": property(lambda _: build, put, remove),
        "__module__": own_class.__module__,
        "__qualname__": own_class.__qualname__,
        "__doc__": own_class.__doc__,
    }
    observed = new_class(own_class.__name__, (own_class,), exec_body=lambda n: n.update(namespace))
    app.__class__ = observed
    if app.middleware_stack is not None:
        app.middleware_stack = wrap(app.middleware_stack)

    def undo() -> None:
        if type(app) is observed:
            app.__class__ = own_class
            if theirs:
                app.build_middleware_stack = theirs[-1]  # type: ignore[method-assign]
        stack = app.middleware_stack
        if isinstance(stack, ObservabilityMiddleware):
            app.middleware_stack = stack.app

    return undo


def _is_replaced(app: Starlette) -> bool:
    return "build_middleware_stack" in vars(app)
