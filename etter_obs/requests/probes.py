"""What answers at a probe's path: the app where it serves the path itself, else this package.

The app's routes always win, also those that are added after set-up and those of mounted apps. A
route that takes any path (``/{path:path}``, an app mounted at ``/``) is asked first; where it
answers 404, the package's answer is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Final

from starlette.routing import BaseRoute, Host, Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NOWHERE: Final = "etter-obs-8d41f0c6"
"""A segment of a path that no app names: a route that takes it takes anything."""
_NOT_FOUND: Final = 404


class Claim(Enum):
    """How an app's routes see a path."""

    NONE = "no route matches it"
    ANY = "a route that takes any path matches it"
    OWN = "a route of its own matches it"


def claim_of(routes: Iterable[BaseRoute], scope: Scope) -> Claim:
    """Return how the routes see the path of an HTTP scope.

    A route whose path matches but whose method differs counts as the app's own, and so does one
    that the router would redirect to by adding or removing a slash at the end.
    """
    routes = list(routes)
    found = _claim(routes, scope)
    if found is Claim.NONE:
        path: str = scope["path"]
        other = path.rstrip("/") if path.endswith("/") else f"{path}/"
        found = _claim(routes, {**scope, "path": other})
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
    """Return the scope of another path with as many segments."""
    root: str = scope.get("root_path", "")
    path: str = scope["path"]
    depth = path.removeprefix(root).strip("/").count("/") + 1
    return {**scope, "path": root + f"/{_NOWHERE}" * depth}


class Probes:
    """The package's answers on the app's port.

    Args:
        answers: path → ASGI app.
        routes: returns the app's routes as they are now.
    """

    def __init__(
        self, answers: Mapping[str, ASGIApp], routes: Callable[[], Iterable[BaseRoute]]
    ) -> None:
        self._answers = answers
        self._routes = routes

    def claims(self) -> dict[str, Claim]:
        """Return how the app sees each path, for the log at start."""
        blank: dict[str, Any] = {"type": "http", "method": "GET", "root_path": "", "headers": []}
        return {path: claim_of(self._routes(), {**blank, "path": path}) for path in self._answers}

    def at(self, path: str, scope: Scope, inner: ASGIApp) -> ASGIApp | None:
        """Return what answers this HTTP scope in place of ``inner``, None where the app does.

        Args:
            path: the scope's path without the root path.
            scope: the scope.
            inner: the app.
        """
        answer = self._answers.get(path)
        if answer is None:
            return None
        claim = claim_of(self._routes(), scope)
        if claim is Claim.NONE:
            return answer
        return _first(inner, answer) if claim is Claim.ANY else None


def _first(inner: ASGIApp, answer: ASGIApp) -> ASGIApp:
    """Return an app that sends what ``inner`` sends, or ``answer`` where that is a 404."""

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        refused = False

        async def sent(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] == _NOT_FOUND:
                refused = True
            if not refused:
                await send(message)

        await inner(dict(scope), receive, sent)
        if refused:
            await answer(scope, receive, send)

    return asked
