"""A middleware behind a switch."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send


class Switched:
    """Sends a request through a middleware while a switch is on, otherwise around it.

    Args:
        app: the next app.
        through: returns the middleware around an app.
        is_on: called for each request.
    """

    def __init__(
        self, app: ASGIApp, *, through: Callable[[ASGIApp], ASGIApp], is_on: Callable[[], bool]
    ) -> None:
        self._past = app
        self._through = through(app)
        self._is_on = is_on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        await (self._through if self._is_on() else self._past)(scope, receive, send)
