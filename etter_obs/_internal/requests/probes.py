"""Answers at a probe's path: the app answers if it serves the path itself, else this package.

The app's routes always win, including routes added after set-up and routes of mounted apps. A
catch-all route (``/{path:path}``, an app mounted at ``/``) answers first; if it answers 404, the
package's answer is sent. A middleware still guards its paths: metrics without a token of their own
are served behind the app's middleware.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from starlette.routing import BaseRoute, Host, Match, Mount, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from etter_obs._internal.conventions import Path
from etter_obs._internal.health.management import folder_of

if TYPE_CHECKING:
    from starlette.applications import Starlette

_UNUSED_SEGMENT: Final = "etter-obs-8d41f0c6"
"""A path segment that no app uses: a route that matches it matches any path."""
_NOT_FOUND: Final = 404
_ANSWER: Final = "etter_obs.answer"
"""Scope key: the ASGI app that answers if the app's router finds no route."""
_REMEDY: Final = (
    "Set ETTER_OBS_METRICS_PATH or ETTER_OBS_HEALTH_PATH to another path, or "
    "ETTER_OBS_MANAGEMENT_PORT to a port of its own"
)

_LOG: Final = logging.getLogger("etter_obs.requests")


class Claim(Enum):
    """How the routes of an app match a path."""

    NONE = "no route matches"
    ANY = "a catch-all route matches"
    OWN = "a route for this path matches"


def claim_of(app: Starlette, scope: Scope) -> Claim:
    """Return how the app's current routes match the path of an HTTP scope.

    A route that matches the path but not the method counts as the app's own. So does a route that
    the router would redirect to by adding or removing a trailing slash.
    """
    found = _claim(app.routes, scope)
    if found is Claim.NONE:
        path: str = scope["path"]
        other = path.rstrip("/") if path.endswith("/") else f"{path}/"
        found = _claim(app.routes, {**scope, "path": other})
    if found is Claim.NONE and not _finds_nothing(app.router.default):
        return Claim.ANY
    return found


def _claim(routes: Iterable[BaseRoute], scope: Scope) -> Claim:
    for route in routes:
        match, child = route.matches(scope)
        if match is Match.NONE:
            continue
        inner = route.routes if isinstance(route, Mount | Host) else None
        if inner:
            return _claim(inner, {**scope, **child})
        return Claim.OWN if route.matches(_elsewhere(scope))[0] is Match.NONE else Claim.ANY
    return Claim.NONE


def _elsewhere(scope: Scope) -> Scope:
    """Return the scope with another path that has as many segments."""
    root: str = scope.get("root_path", "")
    path: str = scope["path"]
    depth = path.removeprefix(root).strip("/").count("/") + 1
    return {**scope, "path": root + f"/{_UNUSED_SEGMENT}" * depth}


def _finds_nothing(default: ASGIApp) -> bool:
    """Return whether a router ends in Starlette's own 404, also behind the hook of ``Probes``."""
    return getattr(default, "__func__", None) is Router.not_found or hasattr(default, _ANSWER)


@dataclass(frozen=True, slots=True)
class Probe:
    """The package's answer at one path.

    Args:
        answer: the ASGI app that answers.
        chosen: whether the user set the path; then it takes precedence over catch-all routes.
        guarded: whether the request passes the app's middleware first.
    """

    answer: ASGIApp
    chosen: bool
    guarded: bool


class Probes:
    """The package's answers on the app's port.

    Args:
        app: the app; its routes may change at any time.
        probes: path → probe. A path that ends in a slash covers all paths below it.
    """

    def __init__(self, app: Starlette, probes: Mapping[str, Probe]) -> None:
        self._app = app
        self._probes = probes
        self._said: dict[str, Claim] = {}
        self._lost: set[str] = set()

    def install(self) -> Callable[[], None]:
        """Let the app's router fall back to the package's answers; return the undo."""
        router, default = self._app.router, self._app.router.default
        if not _finds_nothing(default):
            return lambda: None

        async def end(scope: Scope, receive: Receive, send: Send) -> None:
            await (scope.get(_ANSWER) or default)(scope, receive, send)

        setattr(end, _ANSWER, True)
        router.default = end

        def undo() -> None:
            if router.default is end:
                router.default = default

        return undo

    def say(self) -> None:
        """Log the paths that the package serves and those that the app serves itself."""
        blank: dict[str, Any] = {"type": "http", "method": "GET", "root_path": "", "headers": []}
        for path in self._probes:
            self._claim(path, {**blank, "path": path})
        ours = [
            path
            for path, claim in self._said.items()
            if claim is not Claim.OWN and not path.startswith(Path.CONSOLE)
        ]
        if ours:
            _LOG.info("Metrics and health checks are served at %s", ", ".join(ours))

    def at(self, path: str, scope: Scope, inner: ASGIApp) -> ASGIApp | None:
        """Return the ASGI app that answers this scope instead of ``inner``.

        Args:
            path: the scope's path without the root path.
            scope: the request's ASGI scope.
            inner: the app.

        Returns:
            An ASGI app, or None if the app serves the path itself.
        """
        probe = self._probes.get(path)
        if probe is None:
            key = folder_of(path)
            probe = self._probes.get(key)
            if probe is None:
                return None
            path = key
        claim = self._claim(path, scope)
        if claim is Claim.OWN:
            return None
        guarded = probe.guarded and bool(self._app.user_middleware)
        if guarded or (claim is Claim.ANY and not probe.chosen):
            return self._after(inner, path, probe)
        return probe.answer

    def _claim(self, path: str, scope: Scope) -> Claim:
        """Return how the app matches the path; log it when the app begins to serve the path."""
        claim = claim_of(self._app, scope)
        if claim is not self._said.get(path):
            self._said[path] = claim
            if claim is Claim.OWN:
                _LOG.warning("The app serves %s itself, so etter-obs does not. %s", path, _REMEDY)
        return claim

    def _after(self, inner: ASGIApp, path: str, probe: Probe) -> ASGIApp:
        """Return an app that sends the answer of ``inner``, or ours if ``inner`` has none."""

        async def asked(scope: Scope, receive: Receive, send: Send) -> None:
            reached = refused = False

            async def answer(scope: Scope, receive: Receive, send: Send) -> None:
                nonlocal reached
                reached = True
                await probe.answer(scope, receive, send)

            seen = {**scope, _ANSWER: answer}

            async def sent(message: Message) -> None:
                nonlocal refused
                if message["type"] == "http.response.start" and not reached:
                    # The router adds its key to the scope: the request passed the middleware.
                    refused = message["status"] == _NOT_FOUND or (probe.chosen and "router" in seen)
                    if not refused:
                        self._log_shadowed(path, probe, message["status"])
                if not refused:
                    await send(message)

            await inner(seen, receive, sent)
            if refused:
                await probe.answer(scope, receive, send)

        return asked

    def _log_shadowed(self, path: str, probe: Probe, status: int) -> None:
        """Log once that a part of the app answered before the package."""
        if path in self._lost:
            return
        self._lost.add(path)
        if self._said[path] is Claim.ANY and not probe.chosen:
            who, remedy = "A catch-all route of the app", _REMEDY
        else:
            who = "A middleware of the app"
            remedy = (
                "Exempt this path in the middleware, or set ETTER_OBS_METRICS_TOKEN or "
                "ETTER_OBS_MANAGEMENT_PORT, which bypass the middleware"
            )
        _LOG.warning("%s answered %s with %d, before etter-obs. %s", who, path, status, remedy)
