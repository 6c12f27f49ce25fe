"""Spans and log lines on their way to the real collector, over TLS."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from fastapi import FastAPI

from etter_obs import Settings, setup_observability
from stack.layout import Ports
from tests.app.asgi import request, scrape
from tests.collector import collector
from tests.jsonl import json_lines
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

PROTOCOLS = ("grpc", "http/protobuf")
DROPPED = "telemetry_dropped_total"
SPANS, LINES = ("span", "export_failed"), ("log", "otlp_failed")


@dataclass(frozen=True)
class Secured:
    """A collector that speaks TLS alone, and a folder with a file for each of two authorities."""

    ports: Ports
    folder: Path

    def environment(self, protocol: str, trusted: str) -> dict[str, str]:
        """Return the settings of an app that sends there and trusts one of the authorities."""
        port = self.ports.otlp_grpc if protocol == "grpc" else self.ports.otlp_http
        return {
            "APM_ENABLED": "true",
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"https://127.0.0.1:{port}",
            "OTEL_EXPORTER_OTLP_CERTIFICATE": str(self.folder / f"{trusted}.pem"),
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }

    def arrived(self, signal: str, kind: str, trace_id: str) -> list[dict[str, Any]]:
        """Return the spans or log records of a trace that the collector has written."""
        return [
            one
            for line in json_lines(self.folder / f"data/{signal}.jsonl")
            for resource in line[f"resource{kind[0].upper()}{kind[1:]}"]
            for scope in resource[f"scope{kind[0].upper()}{kind[1:]}"]
            for one in scope["spans" if kind == "spans" else "logRecords"]
            if one.get("traceId") == trace_id  # lines outside of requests have none
        ]

    def both(self, trace_id: str) -> bool:
        """Tell whether the trace's one span and its lines are there."""
        lines = self.arrived("logs", "logs", trace_id)
        spans = self.arrived("traces", "spans", trace_id)
        return len(spans) == 1 and {"asked"} < {line["body"]["stringValue"] for line in lines}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Run the collector with a certificate of an authority of the test's own."""
    folder = tmp_path_factory.mktemp("secured")
    ours, other = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(folder / "ours.pem")
    other.cert_pem.write_to_path(folder / "other.pem")
    ours.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    tls = {"cert_file": str(folder / "server.pem"), "key_file": str(folder / "server.pem")}
    more = {
        "receivers": {"otlp": {"protocols": {"grpc": {"tls": tls}, "http": {"tls": tls}}}},
        "exporters": {"file/logs": {"path": str(folder / "data/logs.jsonl")}},
        "service": {"pipelines": {"logs": {"exporters": ["file/logs"]}}},
    }
    (folder / "tls.yaml").write_text(yaml.safe_dump(more))
    with collector(folder, folder / "tls.yaml") as ports:
        yield Secured(ports, folder)


@asynccontextmanager
async def asked_once(environment: dict[str, str]) -> AsyncIterator[tuple[FastAPI, str]]:
    """Observe an app that has answered one sampled request; give it and the trace's id."""
    app, trace_id = FastAPI(), secrets.token_hex(16)

    @app.get("/")
    async def root() -> str:
        logging.getLogger("shop").info("asked")
        return "here"

    observability = setup_observability(app, settings=Settings.from_env(environment))
    try:
        parent = f"00-{trace_id}-{secrets.token_hex(8)}-01".encode()
        assert (await request(app, "GET", "/", [(b"traceparent", parent)])).status == 200
        yield app, trace_id
    finally:
        await asyncio.to_thread(observability.shutdown)


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_spans_and_lines_arrive_over_tls(
    secured: Secured, protocol: str, compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the collector's authority trusted, the request's span and lines are all there.

    What the machine trusts otherwise makes no odds.
    """
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(secured.folder / "other.pem"))
    environment = secured.environment(protocol, trusted="ours")
    environment["OTEL_EXPORTER_OTLP_COMPRESSION"] = compression
    async with asked_once(environment) as (app, trace_id):
        await asyncio.to_thread(eventually, lambda: secured.both(trace_id), deadline_s=60)
        assert (await scrape(app)).of(DROPPED) == {}


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_endpoint_without_a_scheme_may_ask_for_tls(
    secured: Secured, protocol: str
) -> None:
    """With OTEL_EXPORTER_OTLP_INSECURE=false a host and port is reached over TLS."""
    environment = secured.environment(protocol, trusted="ours")
    bare = environment["OTEL_EXPORTER_OTLP_ENDPOINT"].removeprefix("https://")
    environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = bare
    environment["OTEL_EXPORTER_OTLP_INSECURE"] = "false"
    async with asked_once(environment) as (_, trace_id):
        await asyncio.to_thread(eventually, lambda: secured.both(trace_id), deadline_s=60)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_collector_that_is_not_trusted_costs_counted_drops(
    secured: Secured, protocol: str
) -> None:
    """With another authority trusted the app answers, nothing arrives, all of it is counted."""
    environment = secured.environment(protocol, trusted="other")
    environment["OTEL_EXPORTER_OTLP_TIMEOUT"] = "1000"
    async with asked_once(environment) as (app, trace_id):
        async with asyncio.timeout(60):
            lost = await scrape(app)
            while not (lost.value(DROPPED, *SPANS) and lost.value(DROPPED, *LINES) >= 2):
                await asyncio.sleep(0.1)
                lost = await scrape(app)
        assert lost.of(DROPPED).keys() == {SPANS, LINES}
        assert lost.value(DROPPED, *SPANS) == 1
        assert (await request(app, "GET", "/")).status == 200
    assert secured.arrived("traces", "spans", trace_id) == []
    assert secured.arrived("logs", "logs", trace_id) == []
