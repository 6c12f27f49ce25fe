"""The collector's files, searched as Tempo would search: OTLP/JSON lines, rotated, cut short."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etter_obs._internal.view.trace_files import TraceFiles
from etter_obs._internal.view.traceql import TraceQLError, parse

SECOND = 10**9


def line(
    trace: str, at: int, attributes: dict[str, str] | None = None, ms: int = 5, code: int = 0
) -> str:
    """A batch of one server span, as the collector's file exporter writes it."""
    span = {
        "traceId": trace,
        "spanId": trace[:16],
        "name": "GET /pay",
        "kind": 2,
        "startTimeUnixNano": str(at * SECOND),
        "endTimeUnixNano": str(at * SECOND + ms * 10**6),
        "attributes": [
            {"key": key, "value": {"stringValue": value}}
            for key, value in (attributes or {}).items()
        ],
        "status": {"code": code},
    }
    service = {"key": "service.name", "value": {"stringValue": "shop"}}
    batch = {
        "resourceSpans": [
            {"resource": {"attributes": [service]}, "scopeSpans": [{"spans": [span]}]}
        ]
    }
    return json.dumps(batch) + "\n"


def ids(found: dict[str, Any]) -> list[str]:
    """The traces of an answer."""
    return [each["traceID"] for each in found["traces"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('{ resource.service.name = "shop" && kind = server && status = error }', ["b" * 32]),
        ('{ resource.service.name = "shop" && duration > 100ms }', ["c" * 32]),
        ("{ name =~ `.*/pay` && span.db.system.name != nil }", ["c" * 32]),
        ('{ span.db.system.name != nil && span.db.system.name != "redis" }', ["c" * 32]),
        ('{ span.etter.request_id =~ "ab.*" }', ["a" * 32]),
        ('{ resource.service.name = "other" }', []),
        ("{ }", ["c" * 32, "b" * 32, "a" * 32]),
    ],
)
def test_a_search_finds_the_traces_with_a_span_that_meets_every_condition(
    tmp_path: Path, query: str, expected: list[str]
) -> None:
    """Each form of query that the dashboards use finds its traces, the newest first."""
    path = tmp_path / "traces.jsonl"
    path.write_text(
        line("a" * 32, 100, {"etter.request_id": "abc"})
        + line("b" * 32, 101, code=2)
        + line("c" * 32, 102, {"db.system.name": "postgresql"}, ms=200)
    )
    assert ids(TraceFiles(path).search(query, 0, 200, 20)) == expected


def test_what_is_written_between_two_questions_is_found(tmp_path: Path) -> None:
    """Lines that were added, also before and after a rotation, are read once; half a line waits."""
    path = tmp_path / "traces.jsonl"
    traces = TraceFiles(path)
    assert ids(traces.search("{}", 0, 200, 20)) == []
    whole = line("b" * 32, 101)
    path.write_text("not JSON\n" + line("a" * 32, 100) + whole[:40])
    assert ids(traces.search("{}", 0, 200, 20)) == ["a" * 32]
    with path.open("a") as file:
        file.write(whole[40:])
    assert ids(traces.search("{}", 0, 200, 20)) == ["b" * 32, "a" * 32]
    with path.open("a") as file:
        file.write(line("c" * 32, 102))
    path.rename(tmp_path / "traces-1.jsonl")
    path.write_text(line("d" * 32, 103))
    newest = ["d" * 32, "c" * 32, "b" * 32, "a" * 32]
    assert ids(traces.search("{}", 0, 200, 20)) == newest
    assert ids(TraceFiles(path).search("{}", 0, 200, 20)) == newest
    assert ids(traces.search("{}", 101, 101, 20)) == ["b" * 32]
    assert len(traces.trace("A" * 32)) == 1
    assert not traces.trace("e" * 32)


@given(st.text(max_size=60) | st.text('{}&=~!<>"`.an5ms ', max_size=60))
def test_any_other_query_is_refused_with_its_place(text: str) -> None:
    """A query is understood or refused; nothing else happens to whoever asks."""
    with suppress(TraceQLError):
        parse(text)
