"""Six apps as users write them, with the built wheel, observed from outside."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import websockets

from demo.databases import Redis
from tests.adoption.outside import SECRET, adopted
from tests.errors.sentry_receiver import sentry_receiver
from tests.services import Received
from tests.waiting import eventually


def test_a_factory_whose_engine_lives_in_the_lifespan(wheel: Path, tmp_path: Path) -> None:
    """Statements of the late engine are spans and metrics, and its database is checked."""
    with adopted("factory", "uvicorn", wheel, tmp_path, "main:create_app", factory=True) as shop:
        base = "/api/v1/orders"
        assert httpx.post(f"{shop.run.url}{base}/7").status_code == 201
        assert shop.run.get(f"{base}/7?password={SECRET}").json() == {"id": 7}
        assert shop.run.get(f"{base}/8", headers={"authorization": SECRET}).status_code == 404
        assert shop.run.get(f"{base}/x").status_code == 422
        checks = shop.run.get("/health/detailed").json()["checks"]
        assert checks == {"database": "healthy"}
        route = f"{base}/{{order}}"
        shop.counts(
            {
                ("POST", route, "201"): 1,
                ("GET", route, "200"): 1,
                ("GET", route, "404"): 1,
                ("GET", route, "422"): 1,
            }
        )
        page = shop.run.get("/metrics").text
        assert 'etter_db_query_duration_seconds_count{query_type="select"} 2' in page
        assert shop.end() == -15
        shop.holds_together()
        said = [line["message"] for line in shop.run.lines]
        assert said.count("good-bye") == 1
        statements = [span for span in shop.otlp.spans if span.kind == "client"]
        requests = {span.trace_id for span in shop.server_spans()}
        assert {span.trace_id for span in statements} & requests
        (line,) = [one for one in shop.run.lines if one.get("order") == 8]
        assert line["trace_id"] in requests


def test_sqlmodel_with_sync_sessions_under_gunicorn(wheel: Path, tmp_path: Path) -> None:
    """Two workers show one sum, of the app's own counter too; a loop of statements is reported."""
    with adopted("sqlmodel_shop", "gunicorn-workers", wheel, tmp_path) as shop:
        for number in range(12):
            made = httpx.post(f"{shop.run.url}/heroes/", json={"name": f"hero {number}"})
            assert made.status_code == 200
        assert len(shop.run.get("/names").json()) == 12
        assert shop.run.get("/heroes/99").status_code == 404
        shop.counts(
            {
                ("POST", "/heroes/", "200"): 12,
                ("GET", "/names", "200"): 1,
                ("GET", "/heroes/{hero_id}", "404"): 1,
            }
        )
        eventually(
            lambda: all("\nheroes_made_total 12.0" in shop.run.get("/metrics").text for _ in "abc"),
            deadline_s=20,
        )
        assert shop.run.get("/health/detailed").json()["checks"] == {"database": "healthy"}
        assert shop.end() == 0
        shop.holds_together()
        made_lines = [line for line in shop.run.lines if line["message"] == "hero made"]
        assert len(made_lines) == 12
        assert {line["component"] for line in made_lines} == {"shop"}
        assert all(line["request_id"] for line in made_lines)
        assert any("N+1" in line["message"] for line in shop.run.lines), shop.run.said()


def test_routers_a_sub_app_and_a_root_path(wheel: Path, tmp_path: Path) -> None:
    """Routes have their full templates; the app's own /health wins, ours are beside it."""
    with (
        sentry_receiver() as sentry,
        adopted(
            "routers",
            "hypercorn",
            wheel,
            tmp_path,
            "main:app",
            *("--root-path", "/shop"),
            ERROR_TRACKING_ENABLED="true",
            SENTRY_DSN=sentry.dsn,
        ) as shop,
    ):
        assert shop.run.get("/shop/users/3/orders/4").json() == {"user": 3, "order": 4}
        assert shop.run.get("/shop/admin/reports/sales").json() == {"report": "sales"}
        assert shop.run.get("/shop/users/broken").json() == {"error": "try again"}
        assert shop.run.get("/shop/nothing/here").status_code == 404
        for prefix in ("", "/shop"):  # a probe comes past the proxy
            assert shop.run.get(f"{prefix}/health").json() == {"mine": True}
            assert shop.run.get(f"{prefix}/health/ready").status_code == 200
        shop.counts(
            {
                ("GET", "/users/{user_id}/orders/{order_id}", "200"): 1,
                ("GET", "/admin/reports/{name}", "200"): 1,
                ("GET", "/users/broken", "503"): 1,
                ("GET", "__unmatched__", "404"): 1,
            }
        )
        assert shop.end() == 0
        shop.holds_together()
        names = {span.name for span in shop.server_spans()}
        assert "GET /users/{user_id}/orders/{order_id}" in names
        assert "GET /admin/reports/{name}" in names
        found = [event["exception"]["values"][-1]["type"] for event in sentry.events]
        assert found == ["Unavailable"]


def test_websockets_events_and_graphql(wheel: Path, tmp_path: Path) -> None:
    """Streams are counted when they end, a chat is one connection, a query is a request."""

    async def talk(port: int) -> str:
        async with websockets.connect(f"ws://127.0.0.1:{port}/chat/blue") as socket:
            await socket.send("hi")
            return str(await socket.recv())

    with adopted("realtime", "uvicorn", wheel, tmp_path) as shop:
        assert asyncio.run(talk(shop.run.port)) == "blue: hi"
        assert shop.run.get("/events").text.count("data: ") == 3
        asked = {"query": '{ hello(name: "you") }'}
        answer = httpx.post(f"{shop.run.url}/graphql", json=asked).json()
        assert answer == {"data": {"hello": "hello you"}}
        failed = httpx.post(f"{shop.run.url}/graphql", json={"query": "{ broken }"}).json()
        assert failed["errors"][0]["message"] == "on purpose"
        shop.counts({("GET", "/events", "200"): 1, ("POST", "/graphql", "200"): 2})
        page = shop.run.get("/metrics").text
        assert 'etter_websocket_messages_total{endpoint="/chat/{room}"} 2' in page
        assert shop.end() == -15
        shop.holds_together()
        assert not [span for span in shop.server_spans() if span.error]


def test_an_app_that_has_all_of_it_already(wheel: Path, tmp_path: Path) -> None:
    """Its /metrics stays closed, its Sentry, file and provider get what they got; no duplicate."""
    with (
        sentry_receiver() as sentry,
        adopted(
            "instrumented",
            "granian",
            wheel,
            tmp_path,
            APM_ENABLED="false",
            MY_SENTRY_DSN=sentry.dsn,
            ETTER_OBS_METRICS_PATH="/internal/metrics",
            OTEL_BSP_SCHEDULE_DELAY="100",  # granian ends its workers before their provider flushes
        ) as shop,
    ):
        assert shop.run.get("/order/acme").text == '"acme"'
        with suppress(httpx.HTTPError):
            assert shop.run.get("/fails").status_code == 500
        assert shop.run.get("/metrics").status_code in (401, 403)
        mine = shop.run.get("/metrics", headers={"authorization": "Bearer mine"}).text
        assert 'customer_orders_total{customer="acme"} 1.0' in mine
        page = shop.run.get("/internal/metrics").text
        assert (
            'etter_requests_total{method="GET",endpoint="/order/{customer}",status="200"} 1' in page
        )
        assert "customer_orders" not in page

        def order_spans() -> list[Received]:
            attributes = ("http.route", "/order/{customer}")
            return [s for s in shop.server_spans() if attributes in s.attributes.items()]

        eventually(order_spans, deadline_s=20, tell=lambda: shop.otlp.spans)
        shop.end()
        assert len(shop.run.lines) >= 2, shop.run.said()
        ordered = [line for line in shop.run.lines if line["message"] == "ordered for acme"]
        assert len(ordered) == 1
        assert "WARNING ordered for acme" in (shop.folder / "app.log").read_text()
        assert shop.run.said().count("ordered for acme") == 1
        lines = {line["trace_id"]: line for line in shop.access_lines()}
        (order,) = order_spans()
        assert lines[order.trace_id]["span_id"] == order.span_id
        assert {span.resource["service.name"] for span in shop.otlp.spans} == {"mine"}
        assert [s for s in shop.server_spans() if s.trace_id == order.trace_id] == [order]
        raised = [
            event["exception"]["values"][-1] for event in sentry.events if "exception" in event
        ]
        assert [one["type"] for one in raised] == ["RuntimeError"], sentry.events


def test_a_queue_whose_worker_runs_beside(wheel: Path, tmp_path: Path, redis_server: Redis) -> None:
    """The worker imports the same module: its lines are JSON, redacted, and its job is done."""
    with adopted("queue", "uvicorn", wheel, tmp_path, REDIS_URL=redis_server.url) as shop:
        assert httpx.post(f"{shop.run.url}/mails/a@example.org").status_code == 202
        assert shop.run.get("/health/detailed").json()["checks"] == {"redis": "healthy"}
        worked = subprocess.run(
            [shop.python.parent / "arq", "main.WorkerSettings", "--burst"],
            cwd=shop.folder,
            env={"PATH": os.environ["PATH"], "REDIS_URL": redis_server.url},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        shop.counts({("POST", "/mails/{address}", "202"): 1})
        assert shop.end() == -15
        shop.holds_together()
    lines = [json.loads(line) for line in worked.stdout.splitlines()]
    assert [line["message"] for line in lines].count("mail sent") == 1
    assert SECRET not in worked.stdout + worked.stderr


@pytest.mark.parametrize("apm", ["true", "false"])
def test_an_app_that_opentelemetrys_command_starts(wheel: Path, tmp_path: Path, apm: str) -> None:
    """Under opentelemetry-instrument a request has one server span, and the log has its ids."""
    with adopted(
        "routers",
        "uvicorn",
        wheel,
        tmp_path,
        auto_instrumented=True,
        APM_ENABLED=apm,
        OTEL_SERVICE_NAME="shop",
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
        OTEL_EXPORTER_OTLP_INSECURE="true",
        OTEL_BSP_SCHEDULE_DELAY="100",
    ) as shop:
        for order in range(3):
            assert shop.run.get(f"/users/3/orders/{order}").status_code == 200
        eventually(lambda: len(shop.server_spans()) == 3, deadline_s=20, tell=shop.server_spans)
        shop.end()
        shop.holds_together()
        names = {(span.name, span.resource["service.name"]) for span in shop.server_spans()}
        assert names == {("GET /users/{user_id}/orders/{order_id}", "shop")}
