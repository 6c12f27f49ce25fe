"""One request, found in five places of the real stack."""

from __future__ import annotations

import time
import uuid
from typing import Any

import httpx
import pytest

from tests import tempo
from tests.e2e.conftest import Observed
from tests.jsonl import json_lines
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.waits]

ROUTE = "/api/etter/companies/search"


def test_one_request_is_found_in_five_places(observed: Observed) -> None:
    """Response header, stdout, Loki, stored trace and exemplar all show the same request."""
    request_id = f"e2e-{uuid.uuid4().hex}"
    started = time.time()

    # 1. the response
    response = httpx.get(
        observed.base_url + ROUTE,
        params={"q": "ac"},
        headers={"X-Request-ID": request_id},
        timeout=30,
    )
    assert response.status_code == 200
    assert response.headers["X-Request-ID"] == request_id

    # 2. the line on stdout
    line = eventually(
        lambda: next(
            (e for e in json_lines(observed.stdout) if e.get("request_id") == request_id), None
        ),
        deadline_s=30,
    )
    trace_id, span_id = line["trace_id"], line["span_id"]
    assert (line["method"], line["endpoint"], line["status_code"]) == ("GET", ROUTE, 200)
    assert line["trace_sampled"] is True

    # 3. the same line in Loki
    def in_loki() -> tuple[dict[str, str], str] | None:
        answer = httpx.get(
            f"{observed.stack.loki}/loki/api/v1/query_range",
            params={
                "query": f'{{service_name="etter"}} | request_id="{request_id}"',
                "start": int((started - 60) * 1e9),
                "end": int((time.time() + 60) * 1e9),
            },
            timeout=30,
        ).json()
        for stream in answer["data"]["result"]:
            for _, text in stream["values"]:
                if line["message"] in text:
                    return stream["stream"], text
        return None

    labels, _ = eventually(in_loki, deadline_s=60)
    assert labels["trace_id"] == trace_id
    assert labels["span_id"] == span_id
    assert labels["endpoint"] == ROUTE

    # 4. its trace in the trace store
    def stored() -> tempo.StoredSpan | None:
        found = tempo.trace(observed.stack.tempo, trace_id)
        return next((span for span in found if span.span_id == span_id), None)

    span = eventually(stored, deadline_s=60)
    assert span.trace_id == trace_id
    assert ROUTE in span.name

    # 5. its exemplar in Prometheus
    def exemplar() -> dict[str, Any] | None:
        answer = httpx.get(
            f"{observed.stack.prometheus}/api/v1/query_exemplars",
            params={
                "query": f'etter_request_duration_seconds_bucket{{endpoint="{ROUTE}"}}',
                "start": started - 60,
                "end": time.time() + 60,
            },
            timeout=30,
        ).json()
        for series in answer["data"]:
            for found in series["exemplars"]:
                if found["labels"].get("trace_id") == trace_id:
                    return dict(series["seriesLabels"])
        return None

    series = eventually(exemplar, deadline_s=60)
    assert series["job"] == "etter"
