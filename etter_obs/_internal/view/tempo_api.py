"""The part of Tempo's HTTP API that the dashboards and links ask, over the collector's file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from etter_obs._internal.view.trace_files import TraceFiles
from etter_obs._internal.view.traceql import TraceQLError

PROTOBUF: Final = "application/protobuf"
_MOST_TRACES: Final = 200
_TRACE: Final = "trace_id"


@dataclass(frozen=True, slots=True)
class TempoApi:
    """A search, and a trace by its id, answered as Tempo would.

    Args:
        traces: What is asked.
        as_protobuf: Encodes a trace, given as OTLP/JSON, for clients that accept protobuf, and
            whether as the answer of the second version; None: every answer is JSON.
    """

    traces: TraceFiles
    as_protobuf: Callable[[Sequence[Mapping[str, Any]], bool], bytes] | None = None

    def routes(self) -> list[Route]:
        """Return the routes, with Tempo's paths."""
        return [
            Route("/api/search", self._search),
            Route(f"/api/traces/{{{_TRACE}:str}}", self._trace),
            Route(f"/api/v2/traces/{{{_TRACE}:str}}", self._trace_v2),
        ]

    def _search(self, request: Request) -> Response:
        query = request.query_params
        try:
            limit = min(_MOST_TRACES, int(query.get("limit", "20")))
            start, end = int(query.get("start", "0")), int(query.get("end", str(2**40)))
            found = self.traces.search(query.get("q", "{}"), start, end, limit)
        except TraceQLError as error:
            return PlainTextResponse(f"TraceQL: {error}\n", 400)
        except ValueError:
            return PlainTextResponse("limit, start and end are whole numbers\n", 400)
        return JSONResponse(found)

    def _trace(self, request: Request) -> Response:
        return self._answer(request, second=False)

    def _trace_v2(self, request: Request) -> Response:
        return self._answer(request, second=True)

    def _answer(self, request: Request, *, second: bool) -> Response:
        found = self.traces.trace(request.path_params[_TRACE])
        if not found:
            return PlainTextResponse("no such trace\n", 404)
        if self.as_protobuf and PROTOBUF in request.headers.get("accept", ""):
            return Response(self.as_protobuf(found, second), media_type=PROTOBUF)
        return JSONResponse({"trace": {"resourceSpans": found}} if second else {"batches": found})
