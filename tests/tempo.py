"""What the trace store of a stack answers: Tempo's API, whichever program serves it."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True, slots=True)
class StoredSpan:
    """A span; its resource's attributes are among its own, all as text."""

    trace_id: str
    span_id: str
    name: str
    start: float
    """Seconds since 1970."""
    attributes: dict[str, str]


def trace(tempo: str, trace_id: str) -> list[StoredSpan]:
    """Every span of a trace; empty if the store has none of that id."""
    answer = httpx.get(f"{tempo}/api/v2/traces/{trace_id}", timeout=30)
    if answer.status_code == httpx.codes.NOT_FOUND:
        return []
    assert answer.status_code == httpx.codes.OK, answer.text
    return [
        StoredSpan(
            _hex(span["traceId"]),
            _hex(span["spanId"]),
            span["name"],
            int(span["startTimeUnixNano"]) / 1e9,
            _plain(resource["resource"]) | _plain(span),
        )
        for resource in answer.json()["trace"]["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def search(tempo: str, query: str, start: float, end: float) -> list[str]:
    """The ids of the traces that TraceQL finds between two times, the newest first."""
    asked: dict[str, str | int] = {"q": query, "start": int(start), "end": int(end) + 1}
    answer = httpx.get(f"{tempo}/api/search", params=asked, timeout=30)
    assert answer.status_code == httpx.codes.OK, f"{query}: {answer.text}"
    return [each["traceID"] for each in answer.json()["traces"]]


def _plain(node: dict[str, Any]) -> dict[str, str]:
    pairs = node.get("attributes", [])
    return {each["key"]: str(next(iter(each["value"].values()))) for each in pairs}


def _hex(written: str) -> str:
    """An id in hexadecimal, as OTLP/JSON has it; Tempo has protobuf's JSON, in base64."""
    return written if len(written) in (16, 32) else b64decode(written).hex()
