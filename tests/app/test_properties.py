"""Properties of every request, checked with thousands of generated ones."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI, Request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etter_obs import Observability, Settings, get_logger, setup_observability
from tests.app.apps import make_app
from tests.app.asgi import Headers, request, scrape
from tests.errors.sentry_receiver import SentryReceiver, sentry_receiver
from tests.logs.secrets import SECRET, WRITTEN
from tests.services import Receiver

SECRETS = {
    SECRET,
    "4111111111111111",
    "AKIAIOSFODNN7EXAMPLE",
    "jane.doe@example.org",
    "hunter2-hunter2",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ",
}
PLANTED = [
    *WRITTEN.values(),
    "4111111111111111",
    "AKIAIOSFODNN7EXAMPLE",
    "jane.doe@example.org",
    "postgresql://app:hunter2-hunter2@db/main",
    "password=hunter2-hunter2",
    "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ",
]
PATHS = [
    "/v1/outer/a/inner/3",
    "/v1/outer/a/inner/x",
    "/files/a/b",
    "/fails",
    "/raises",
    "/unavailable",
    "/missing/1",
    "/stream",
    "/stream?fail_at=2",
    "/body",
    "/background",
    "/named",
    "/plain/1",
    "/fixed/things/1",
    "/tenants/t/things/1",
    "/tenants/t/nowhere",
    "/opaque/x",
    "/docs/",
]
log = get_logger("tests.app.properties")

text = st.text(max_size=30)
secrets = st.sampled_from(PLANTED)
paths = st.one_of(
    st.sampled_from(PATHS),
    st.sampled_from(PATHS),
    text.map(lambda rest: f"/{rest}"),
    text.map(lambda rest: f"/tenants/{rest}/things/1"),
    secrets.map(lambda secret: f"/files/{secret}"),
    secrets.map(lambda secret: f"/raises?token={secret}"),
    secrets.map(lambda secret: f"/raises?q={quote(secret, safe='')}"),
).filter(lambda path: not path.startswith(("/health", "/metrics")))
methods = st.one_of(
    st.just("GET"),
    st.just("GET"),
    st.sampled_from(["POST", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]),
    st.text("ABCXYZ-", min_size=1, max_size=8),
)
header_names = st.sampled_from(
    [
        b"x-request-id",
        b"traceparent",
        b"tracestate",
        b"baggage",
        b"cookie",
        b"authorization",
        b"x-api-key",
        b"user-agent",
        b"content-length",
        b"x-forwarded-for",
        b"host",
    ]
)
header_values = st.one_of(
    st.binary(max_size=80),
    secrets.map(str.encode),
    st.sampled_from(
        [
            b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            b"key=value",
        ]
    ),
)
headers = st.lists(st.tuples(header_names, header_values), max_size=6)
bodies = st.one_of(st.binary(max_size=200), secrets.map(str.encode))


async def _at_once() -> None:
    pass


def total(exposed: str, beginning: str) -> float:
    """Return the sum of the samples whose lines begin so."""
    lines = [line for line in exposed.splitlines() if line.startswith(beginning)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def make_observed_app() -> FastAPI:
    """Return the app with two more routes, that log and raise what they are given."""
    app = make_app()

    @app.get("/raises")
    async def raises(request: Request) -> None:
        given = dict(request.query_params)
        log.warning("about to raise", given=given, headers=dict(request.headers))
        raise RuntimeError(f"cannot use {given}")

    return app


@contextmanager
def everything_on(
    monkeypatch: pytest.MonkeyPatch, otlp: Receiver, sentry: SentryReceiver, stdout: io.StringIO
) -> Iterator[tuple[FastAPI, Observability]]:
    """Observe the app with every signal on, into receivers that the test can read."""
    monkeypatch.setattr("sys.stdout", stdout)
    app = make_observed_app()
    observability = setup_observability(
        app,
        settings=Settings(
            apm_enabled=True,
            otlp_endpoint=otlp.endpoint,
            otlp_logs_enabled=False,
            sampler_ratio=0.5,
            error_tracking_enabled=True,
            sentry_dsn=sentry.dsn,
            metrics_series_cap=100,
            log_queue_size=100_000,
        ),
    )
    try:
        yield app, observability
    finally:
        observability.shutdown()


def test_every_request_is_counted_once_and_no_secret_comes_out(
    monkeypatch: pytest.MonkeyPatch, otlp: Receiver
) -> None:
    """Whatever is asked, and wherever the client leaves, one request is one count and one line.

    Nobody is in flight afterwards, the series keep to their cap, and no secret comes out anywhere.
    """
    stdout = io.StringIO()
    asked = 0

    with (
        sentry_receiver() as sentry,
        everything_on(monkeypatch, otlp, sentry, stdout) as (app, observability),
    ):

        @settings(
            max_examples=300,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        )
        @given(
            method=methods,
            path=paths,
            headers=headers,
            body=bodies,
            refuses_at=st.one_of(st.none(), st.none(), st.integers(1, 4)),
            leaves=st.sampled_from([None, _at_once]),
        )
        def ask(
            method: str,
            path: str,
            headers: Headers,
            body: bytes,
            refuses_at: int | None,
            leaves: Any,
        ) -> None:
            nonlocal asked

            async def once() -> None:
                await request(
                    app, method, path, headers, body=body, refuses_at=refuses_at, leaves=leaves
                )
                exposed = (await request(app, "GET", "/metrics")).body.decode()
                assert total(exposed, "etter_requests_total{") == asked
                assert total(exposed, "etter_request_duration_seconds_count{") == asked
                assert total(exposed, "etter_active_requests ") == 0

            asked += 1
            asyncio.run(once())

        before = asyncio.run(scrape(app)).samples
        primed = {labels for name, labels in before if name == "etter_requests_total"}
        ask()
        metrics = asyncio.run(scrape(app))
        held = metrics.samples
        # Those that are there from the start do not spend the cap; past it the method is lost.
        kept = {
            labels
            for name, labels in held
            if name == "etter_requests_total" and "__overflow__" not in labels
        }
        assert len(kept - primed) <= 100
        detail = asyncio.run(request(app, "GET", "/health/detailed", client=("127.0.0.1", 1)))
        observability.flush(30)

    lines = stdout.getvalue().splitlines()
    documents = [json.loads(line) for line in lines]
    assert all(isinstance(document, dict) for document in documents)
    access = [d for d in documents if d["logger"] == "etter_obs.access"]
    assert len(access) == asked

    assert otlp.spans
    assert sentry.events
    everything = "\n".join(
        [
            stdout.getvalue(),
            str(otlp.spans),
            sentry.raw.decode(),
            str(list(held)),
            detail.body.decode(),
        ]
    )
    assert [secret for secret in SECRETS if secret in everything] == []
