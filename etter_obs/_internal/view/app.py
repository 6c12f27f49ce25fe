"""The viewer's own server: the page, the project's files, and the way to the sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from etter_obs._internal.view.gate import Gate
from etter_obs._internal.view.project import Project
from etter_obs._internal.view.sources import Source
from etter_obs._internal.view.tempo_api import TempoApi
from etter_obs._internal.view.trace_files import TraceFiles
from etter_obs._internal.web.access import Access

_PAGE: Final = Path(__file__).parents[1] / "web" / "static" / "view"
_TYPES: Final = {"app.js": "text/javascript", "app.css": "text/css", "index.html": "text/html"}


@dataclass(frozen=True, slots=True)
class View:
    """What one viewer shows, and whom it asks."""

    project: Project
    sources: Mapping[str, Source]
    traces: TraceFiles | None

    def app(self, access: Access) -> Starlette:
        """Return the server; without ``access`` it gives out the bare page and nothing else."""
        files = [Mount("/api/tempo", routes=TempoApi(self.traces).routes())] if self.traces else []
        routes: list[BaseRoute] = [
            Route("/", self._index),
            Route("/{name:str}", self._static),
            Route("/d/{uid:str}", self._linked),
            Route("/public/runbooks/{name:str}", self._linked),
            Route("/api/settings", self._settings),
            Route("/api/boards/{uid:str}", self._board),
            Route("/api/runbooks/{name:str}", self._runbook),
            *files,
            Route("/api/{kind:str}/{path:path}", self._ask, methods=["GET", "POST"]),
        ]
        return Starlette(routes=routes, middleware=[Middleware(Gate, access=access)])

    async def _index(self, _request: Request) -> Response:
        return _file("index.html")

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        return _file(name) if name in _TYPES else PlainTextResponse("not found\n", 404)

    async def _linked(self, request: Request) -> Response:
        """Open what an alert's link names: Grafana's address of a dashboard or of a runbook."""
        query = f"?{request.url.query}" if request.url.query else ""
        path = request.url.path
        if path.startswith("/public/runbooks/"):
            path = f"/runbook/{request.path_params['name'].removesuffix('.md')}"
        return RedirectResponse(f"/#{path}{query}", 302)

    async def _settings(self, _request: Request) -> Response:
        kinds = {kind: source.kind for kind, source in self.sources.items()}
        if self.traces:
            kinds["tempo"] = "files"
        return JSONResponse(
            {
                "sources": kinds,
                "links": self.project.links(),
                "boards": self.project.titles(),
                "runbooks": sorted(self.project.runbooks()),
            }
        )

    async def _board(self, request: Request) -> Response:
        board = self.project.board(request.path_params["uid"])
        if board is None:
            return PlainTextResponse("no dashboard of that id; see `etter-obs generate`\n", 404)
        return Response(board, media_type="application/json")

    async def _runbook(self, request: Request) -> Response:
        path = self.project.runbooks().get(request.path_params["name"])
        if path is None:
            return PlainTextResponse("no runbook of that name\n", 404)
        return JSONResponse({"text": path.read_text(encoding="utf-8")})

    async def _ask(self, request: Request) -> Response:
        kind, path = request.path_params["kind"], request.path_params["path"]
        source = self.sources.get(kind)
        if source is None:
            return PlainTextResponse(f"the viewer was given no {kind}\n", 404)
        return await source.ask(request, path)


def _file(name: str) -> Response:
    content = (_PAGE / name).read_bytes()
    return Response(content, media_type=_TYPES[name])
