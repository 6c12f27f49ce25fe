"""The trace store of a native run without Tempo: the collector's file, asked by Tempo's API.

The collector writes spans to the file; this program answers searches and traces by id from it, in
JSON and, for Grafana, in protobuf.
"""

from __future__ import annotations

import argparse
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped]
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from etter_obs._internal.otlp.wire import block
from etter_obs._internal.view.tempo_api import TempoApi
from etter_obs._internal.view.trace_files import TraceFiles

_IDS = ("traceId", "spanId", "parentSpanId")
_FIRST_FIELD = b"\x0a"  # the trace in Tempo's TraceByIDResponse


def app(file: Path) -> Starlette:
    """Return the server over `file`; it answers only under a name of loopback (DNS rebinding)."""
    api = TempoApi(TraceFiles(file), _as_protobuf)
    return Starlette(
        routes=[
            Route("/ready", _ready),
            Route("/api/echo", _ready),  # Grafana's test of the data source
            Route("/metrics", _metrics),
            *api.routes(),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
    )


def _ready(_request: Request) -> Response:
    return PlainTextResponse("ready\n")


def _metrics(_request: Request) -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _as_protobuf(spans: Sequence[Mapping[str, Any]], second: bool) -> bytes:
    """Encode a trace as Tempo does; its `Trace` has the fields of OTLP's `TracesData`."""
    trace = ParseDict({"resourceSpans": [_with_bytes(each) for each in spans]}, TracesData())
    encoded = trace.SerializeToString()
    return block(_FIRST_FIELD, encoded) if second else encoded


def _with_bytes(node: Any) -> Any:
    """Write ids as protobuf's own JSON does: OTLP/JSON has them in hexadecimal, not in base64."""
    if isinstance(node, Mapping):
        return {
            key: b64encode(bytes.fromhex(value)).decode() if key in _IDS else _with_bytes(value)
            for key, value in node.items()
        }
    return [_with_bytes(each) for each in node] if isinstance(node, list) else node


def main() -> None:
    """Serve the file on a port of loopback until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("port", type=int)
    given = parser.parse_args()
    uvicorn.run(app(given.file), host="127.0.0.1", port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
