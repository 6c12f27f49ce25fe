"""Stand-ins for Grafana and Tempo, which can be installed neither here nor in CI.

They read what the real programs would read (arguments, variables, configuration) and serve as much
of their APIs as shows that it was right. They prove nothing about the programs themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import httpx
import yaml
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

from stack.layout import CHECKOUT

Answer = tuple[int, bytes]


def program(folder: Path, name: str, version: str) -> Path:
    """Write a program that runs a stand-in, `grafana` or `tempo`, under a version."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(CHECKOUT)!r})\n"
        f"from tests.stack.standins import {name}\n{name}({version!r})\n"
    )
    path.chmod(0o755)
    return path


def tempo(version: str) -> None:
    """Take spans over OTLP, and answer the second version of a trace by its id."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--version", action="version", version=f"tempo, version {version}")
    parser.add_argument("-target", required=True, choices=["all"])
    parser.add_argument("-config.file", dest="config", required=True, type=Path)
    held = yaml.safe_load(parser.parse_args().config.read_text())
    for folder in (held["storage"]["trace"]["wal"], held["storage"]["trace"]["local"]):
        Path(folder["path"]).mkdir(parents=True, exist_ok=True)
    received: list[ExportTraceServiceRequest] = []

    class Servicer(TraceServiceServicer):
        def Export(self, request: ExportTraceServiceRequest, _context: object) -> Any:  # noqa: N802
            received.append(request)
            return ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(Servicer(), server)  # type: ignore[no-untyped-call]
    server.add_insecure_port(
        held["distributor"]["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"]
    )
    server.start()

    def answer(path: str) -> Answer:
        wanted = re.fullmatch(r"/api/v2/traces/(\w+)", path)
        if not wanted:
            return 200, b"ready\n"
        found = [
            MessageToDict(resource)
            for request in received
            for resource in request.resource_spans
            for scope in resource.scope_spans
            if any(span.trace_id.hex() == wanted[1] for span in scope.spans)
        ]
        trace = {"trace": {"resourceSpans": found}}
        return (200, json.dumps(trace).encode()) if found else (404, b"")

    _serve(held["server"]["http_listen_address"], held["server"]["http_listen_port"], answer)


def grafana(version: str) -> None:
    """Read the provisioning, pass questions on to data sources, and show what else was read."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--version", action="version", version=f"grafana version {version}")
    parser.add_argument("command", choices=["server"])
    parser.add_argument("--homepath", required=True, type=Path)
    assert (parser.parse_args().homepath / "conf/defaults.ini").is_file()
    given = os.environ
    provisioning = Path(given["GF_PATHS_PROVISIONING"])
    [sources] = (provisioning / "datasources").glob("*.yaml")
    urls = {each["uid"]: each["url"] for each in yaml.safe_load(sources.read_text())["datasources"]}
    [boards] = (provisioning / "dashboards").glob("*.yaml")
    [provider] = yaml.safe_load(boards.read_text())["providers"]
    password = re.fullmatch(r"\$__file\{(.+)\}", given["GF_SECURITY_ADMIN_PASSWORD"])
    assert password
    shown = {
        "dashboards": sorted(each.name for each in Path(provider["options"]["path"]).iterdir()),
        "home": Path(given["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]).name,
        "password": Path(password[1]).read_text(),
        "reports": given["GF_ANALYTICS_REPORTING_ENABLED"],
    }

    def answer(path: str) -> Answer:
        proxied = re.fullmatch(r"/api/datasources/proxy/uid/(\w+)/(.+)", path)
        if not proxied:
            return 200, json.dumps(shown).encode()
        passed_on = httpx.get(f"{urls[proxied[1]]}/{proxied[2]}", timeout=10)
        return passed_on.status_code, passed_on.content

    _serve(given["GF_SERVER_HTTP_ADDR"], int(given["GF_SERVER_HTTP_PORT"]), answer)


def _serve(host: str, port: int, answer: Callable[[str], Answer]) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content = answer(self.path)
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    ThreadingHTTPServer((host, port), Handler).serve_forever()
