"""Which route answered: read from the scope after the call, never searched for per request.

Routers leave the matched route in the scope that they were given. FastAPI 0.137 and later keep an
included route's full template beside it; mounts leave what they matched in ``root_path``. The table
of all routes, read once when the app starts, serves the rest: plain Starlette routes, that leave
only their endpoint, mounts with parameters, and requests that a middleware answered by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from starlette.routing import BaseRoute, Host, Mount, WebSocketRoute, compile_path
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from etter_obs._internal.metrics.requests import RouteInfo

_AMBIGUOUS: Final = ""
"""Stands for an endpoint that answers several routes."""


class RouteTable:
    """The routes of an app.

    Args:
        routes: ``app.routes``; what is added later is recognised all the same, unless a middleware
            answers in its stead.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self.routes: list[RouteInfo] = []
        self._by_endpoint: dict[int, str] = {}
        """By identity: not every endpoint can be hashed, and the routes keep them all alive."""
        self._patterns: list[tuple[re.Pattern[str], str]] = []
        self._mounts: list[tuple[re.Pattern[str], str]] = []
        self.files: set[str] = set()
        """Templates of mounts that have a route for each of their files, and for nothing else: what
        they refuse went to no route. One at the root gets all that scanners try."""
        for prefix, route in _walk(routes, ""):
            self._add(prefix, route)

    def endpoint(self, scope: Scope) -> str | None:
        """Return the template of the route that this scope went to, None where there is none."""
        route = scope.get("route")
        context = scope["fastapi"].get("effective_route_context") if "fastapi" in scope else None
        if context is not None and context.original_route is route:
            template: str = context.path
        elif route is None or isinstance(route, Mount) or not hasattr(route, "endpoint"):
            # A plain route or a mounted application that is no router.
            return self._of_endpoint(scope)
        else:
            template = route.path
        if "app_root_path" in scope:
            return self._mounted(scope) + template
        return template

    def search(self, scope: Scope) -> str | None:
        """Match a path that no router saw against every route; the one thing here that is slow."""
        path: str = scope["path"]
        root: str = scope.get("app_root_path", scope.get("root_path", ""))
        path = path.removeprefix(root) or "/"
        for pattern, template in self._patterns:
            if pattern.match(path):
                return template
        return None

    def _of_endpoint(self, scope: Scope) -> str | None:
        template = self._by_endpoint.get(id(scope.get("endpoint")))
        return self.search(scope) if template == _AMBIGUOUS else template

    def _mounted(self, scope: Scope) -> str:
        """Return the mounts' part of the template: what was matched, its parameters unfilled."""
        matched: str = scope["root_path"].removeprefix(scope["app_root_path"])
        for pattern, template in self._mounts:
            if pattern.match(matched):
                return template
        return matched

    def _add(self, prefix: str, route: Any) -> None:
        template = prefix + route.path
        endpoint = getattr(route, "endpoint", None)
        if isinstance(route, Mount):
            if "{" in template:
                self._mounts.append((compile_path(template)[0], template))
            if route.routes:
                return
            endpoint, template = route.app, f"{template}/{{path}}"
            if isinstance(route.app, StaticFiles) or template == "/{path}":
                self.files.add(template)
            self._patterns.append((re.compile(re.escape(prefix + route.path) + "/"), template))
        else:
            self._patterns.append((compile_path(template)[0], template))
        if self._by_endpoint.setdefault(id(endpoint), template) != template:
            self._by_endpoint[id(endpoint)] = _AMBIGUOUS
        self.routes.append(
            RouteInfo(
                template,
                frozenset(getattr(route, "methods", None) or ("GET",)),
                getattr(route, "status_code", None) or 200,
                isinstance(route, WebSocketRoute),
            )
        )


def _walk(routes: Iterable[BaseRoute], prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield every route with the mounts' prefix before it, whatever way it was included."""
    for route in routes:
        if hasattr(route, "effective_route_contexts"):  # a router included by FastAPI >= 0.137
            for context in route.effective_route_contexts():
                known = getattr(context, "starlette_route", None) or context
                yield from _walk_one(known, prefix)
        else:
            yield from _walk_one(route, prefix)


def _walk_one(route: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(route, Host):
        yield from _walk(route.routes or (), prefix)
        return
    if not isinstance(getattr(route, "path", None), str):
        return
    yield prefix, route
    if isinstance(route, Mount):
        yield from _walk(route.routes or (), prefix + route.path)
