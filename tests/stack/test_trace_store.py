"""The trace store of a native run without Tempo, asked as Grafana and the tests ask Tempo."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from stack.trace_store import app

_TRACE, _SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
_LINE = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
            "scopeSpans": [
                {
                    "scope": {"name": "etter-obs"},
                    "spans": [
                        {
                            "traceId": _TRACE,
                            "spanId": _SPAN,
                            "parentSpanId": "",
                            "name": "GET /pay",
                            "kind": 2,
                            "startTimeUnixNano": "1000000000",
                            "endTimeUnixNano": "2000000000",
                            "attributes": [
                                {"key": "http.response.status_code", "value": {"intValue": "500"}}
                            ],
                            "status": {"code": 2, "message": "broken"},
                        }
                    ],
                }
            ],
        }
    ]
}
"""As the collector's file exporter writes it."""


def _asking(tmp_path: Path, host: str = "127.0.0.1:3200") -> httpx.AsyncClient:
    file = tmp_path / "traces.jsonl"
    file.write_text(json.dumps(_LINE) + "\n")
    return httpx.AsyncClient(transport=httpx.ASGITransport(app(file)), base_url=f"http://{host}")


async def test_a_trace_is_answered_in_both_versions_and_both_encodings(tmp_path: Path) -> None:
    """JSON has OTLP's names; protobuf, which Grafana asks for, decodes to the same span."""
    async with _asking(tmp_path) as client:
        first = (await client.get(f"/api/traces/{_TRACE}")).json()["batches"]
        second = (await client.get(f"/api/v2/traces/{_TRACE}")).json()["trace"]["resourceSpans"]
        assert first == second == _LINE["resourceSpans"]

        asked = {"accept": "application/protobuf"}
        first_bytes = (await client.get(f"/api/traces/{_TRACE}", headers=asked)).content
        second_bytes = (await client.get(f"/api/v2/traces/{_TRACE}", headers=asked)).content
        # the second version wraps the trace in field 1 of another message, and so does TracesData
        assert second_bytes == b"\x0a" + bytes([len(first_bytes) % 128 | 128, 1]) + first_bytes
        [resource] = TracesData.FromString(first_bytes).resource_spans
        [span] = resource.scope_spans[0].spans
        assert (span.trace_id.hex(), span.span_id.hex()) == (_TRACE, _SPAN)
        assert (span.name, span.kind, span.status.code) == ("GET /pay", 2, 2)
        assert span.attributes[0].value.int_value == 500
        assert resource.resource.attributes[0].value.string_value == "shop"

        assert (await client.get(f"/api/traces/{'0' * 32}")).status_code == 404


async def test_a_search_is_tempos(tmp_path: Path) -> None:
    """TraceQL finds the trace; what is not understood is refused with its place."""
    async with _asking(tmp_path) as client:
        found = await client.get("/api/search", params={"q": "{ status = error }", "limit": 5})
        assert [each["traceID"] for each in found.json()["traces"]] == [_TRACE]
        refused = await client.get("/api/search", params={"q": "{ status ~ error }"})
        assert (refused.status_code, refused.text) == (
            400,
            "TraceQL: not understood: status ~ error\n",
        )
        refused = await client.get("/api/search", params={"limit": "many"})
        assert refused.status_code == 400


async def test_it_is_ready_and_counted_and_known_under_loopback_only(tmp_path: Path) -> None:
    """Readiness, Grafana's test and Prometheus's scrape are answered; no other host name is."""
    async with _asking(tmp_path) as client:
        for path in ("/ready", "/api/echo"):
            assert (await client.get(path)).status_code == 200
        assert "process_resident_memory_bytes" in (await client.get("/metrics")).text
    async with _asking(tmp_path, "evil.example") as client:
        assert (await client.get(f"/api/traces/{_TRACE}")).status_code == 400
