"""Finds the route that answered: reads it from the scope after the call, without a search.

Routers store the matched route in their scope. FastAPI 0.137 and later also store the full template
of an included route. Mounts store the part that they matched in ``root_path``. A table of all
routes, read once when the app starts, covers the rest: plain Starlette routes, which store only
their endpoint, mounts with parameters, and requests that a middleware answered itself.
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
"""Marks an endpoint that several routes share."""


class RouteTable:
    """The routes of an app.

    Args:
        routes: ``app.routes``; routes added later are also recognised, unless a middleware answers
            instead of them.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self.routes: list[RouteInfo] = []
        self._by_endpoint: dict[int, str] = {}
        """Keyed by ``id()``: not every endpoint is hashable, and the routes keep them all alive."""
        self._patterns: list[tuple[re.Pattern[str], str]] = []
        self._mounts: list[tuple[re.Pattern[str], str]] = []
        self.files: set[str] = set()
        """Templates of static-file mounts; a path that they refuse counts as unmatched, because a
        mount at the root receives every path that scanners try."""
        for prefix, route in _walk(routes, ""):
            self._add(prefix, route)

    def endpoint(self, scope: Scope) -> str | None:
        """Return the template of the route that served this scope; None if no route did."""
        route = scope.get("route")
        context = scope["fastapi"].get("effective_route_context") if "fastapi" in scope else None
        if context is not None and context.original_route is route:
            template: str = context.path
        elif route is None or isinstance(route, Mount) or not hasattr(route, "endpoint"):
            # A plain route, or a mounted app that is not a router.
            return self._of_endpoint(scope)
        else:
            template = route.path
        if "app_root_path" in scope:
            return self._mounted(scope) + template
        return template

    def search(self, scope: Scope) -> str | None:
        """Match a path that no router saw against every route; this is the only slow function."""
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
        """Return the mounts' part of the template, with parameter names instead of values."""
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
    """Yield every route with the prefix of its mounts, however it was included."""
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
