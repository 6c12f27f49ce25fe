"""Past the cap of series: what the SLIs count stays true, by the real rules."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from fastapi import FastAPI, Response

from etter_obs._internal import conventions
from etter_obs._internal.conventions import Label, Rule
from etter_obs._internal.metrics.registry import MetricsRegistry
from etter_obs._internal.metrics.render import render
from etter_obs._internal.slo.loading.loader import load_spec
from etter_obs._internal.slo.prometheus.promtool import Question, ask
from etter_obs._internal.slo.rules.recording import rules
from etter_obs._internal.slo.spec import selectors
from etter_obs._internal.slo.spec.models import Spec
from stack.build import binary
from tests.app.asgi import Metrics, observed, parse, request, scrape
from tests.slo.specs import text_of

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"]
SPEC = text_of(
    "{ name: up, description: d, objective: 99%, sli: { requests: { bad_status: 5xx } } }",
    "{ name: pay, description: d, objective: 99%, "
    "sli: { requests: { bad_status: [503], routes: [/pay] } } }",
    "{ name: callers, description: d, objective: 99%, "
    "sli: { requests: { bad_status: 4xx, without_status: [499] } } }",
    "{ name: fast, description: d, objective: 99%, sli: { latency: { threshold: 200ms } } }",
    more="streaming_routes: [/stream]\n",
)


def make_app() -> FastAPI:
    """Return an app whose routes answer with the status and after the time that they are asked."""
    app = FastAPI()

    async def answer(status: int = 202, wait: float = 0) -> Response:
        await asyncio.sleep(wait)
        return Response(status_code=status)

    for path in ("/pay", "/stream", "/fill"):
        app.add_api_route(path, answer, methods=METHODS)
    return app


def recorded(spec: Spec, scrapes: list[Metrics], folder: Path) -> dict[str, tuple[float, float]]:
    """Let the real rules read the scrapes, a minute each; return total and bad of every SLO."""
    series = {}
    labels_of = {
        "etter_requests_total": conventions.REQUESTS.labels,
        "etter_request_duration_seconds_count": conventions.REQUEST_DURATION.labels,
        "etter_request_duration_seconds_bucket": (*conventions.REQUEST_DURATION.labels, "le"),
    }
    for name, values in dict.fromkeys(key for page in scrapes for key in page.samples):
        if name not in labels_of:
            continue
        names = [*labels_of[name], "job", "environment"]
        pairs = zip(names, [*values, "shop", "production"], strict=True)
        selector = ",".join(f'{label}="{value}"' for label, value in pairs)
        seen = [page.samples.get((name, values)) for page in scrapes]
        series[f"{name}{{{selector}}}"] = " ".join(
            "_x3" if value is None else f"{value:.0f}x3" for value in seen
        )
    files = []
    for number, text in enumerate(rules(spec).values()):
        files.append(folder / f"rules{number}.yml")
        files[-1].write_text(text)
    questions = [
        Question(f"sum_over_time({selectors.recorded(rule, spec, slo)}[1h])", 60 * len(scrapes))
        for slo in spec.slos
        for rule in (Rule.TOTAL_INCREASE, Rule.BAD_INCREASE)
    ]
    answers = [
        answer[0].value if answer else float("nan")
        for answer in ask(
            binary("promtool"), files, series, questions, series_step=15, evaluation_step=30
        )
    ]
    counts = zip(answers[::2], answers[1::2], strict=True)
    return dict(zip([slo.name for slo in spec.slos], counts, strict=True))


async def test_good_and_bad_stay_apart_past_the_cap(tmp_path: Path) -> None:
    """Failures, 4xx, slow answers and one route's own are those that were; strangers count not."""
    (tmp_path / "slo.yaml").write_text(SPEC)
    app = make_app()
    settings = {"slo_file": tmp_path / "slo.yaml", "metrics_series_cap": 10}

    async def drive(times: int, path: str) -> None:
        for _ in range(times):
            await request(app, "GET", path)

    with observed(app, **settings):
        for method in METHODS:
            for status in (201, 302, 410):
                await request(app, method, f"/fill?status={status}")
        kinds = {
            "/pay": 10,
            "/pay?status=503": 6,
            "/pay?status=404": 4,
            "/pay?wait=0.25": 2,
            "/stream?wait=0.25": 1,
            "/nowhere": 3,
        }
        for path in kinds:
            await drive(1, path)
        before = await scrape(app)
        for path, times in kinds.items():
            await drive(times, path)
        after = await scrape(app)
    dropped = after.of("telemetry_series_dropped_total")
    assert {("requests_total",), ("request_duration_seconds",)} <= dropped.keys()
    counted = recorded(load_spec(tmp_path / "slo.yaml"), [before, after, after], tmp_path)
    assert counted == {"up": (23, 6), "pay": (22, 6), "callers": (23, 4), "fast": (16, 2)}


async def test_five_hundred_routes_leave_the_cap_to_what_comes() -> None:
    """Priming spends none of it: each route's own 404 and 503 have series of their own."""
    app = FastAPI()

    async def answer(status: int = 200) -> Response:
        return Response(status_code=status)

    for number in range(500):
        app.add_api_route(f"/things-{number}", answer)
    with observed(app):
        for number in range(480, 500):
            await request(app, "GET", f"/things-{number}?status={(404, 503)[number % 2]}")
        metrics = await scrape(app)
    assert metrics.of("telemetry_series_dropped_total") == {}
    assert metrics.value("requests_total", "GET", "/things-498", "404") == 1
    assert metrics.value("requests_total", "GET", "/things-499", "503") == 1


@pytest.mark.parametrize(
    ("slos", "series"),
    [
        ("{ requests: { bad_status: 5xx } }", {"200", "500"}),
        ("{ requests: { bad_status: [502, 503] } }", {"200", "502", "503"}),
        ("{ requests: { bad_status: 4xx } }", {"200"}),
        ("{ requests: { bad_status: 5xx, routes: [/other] } }", set()),
        ("{ latency: { threshold: 200ms } }", {"2xx"}),
        ("{ latency: { threshold: 200ms, routes: [/other] } }", set()),
        ("{ latency: { metric: db_query_duration_seconds, threshold: 100ms } }", set()),
        (
            "{ promql: { bad: 'rate(etter_requests_total{$selector}[$interval])', "
            "total: 'rate(etter_requests_total{$selector}[$interval])' } }",
            {"200", "500"},
        ),
    ],
)
async def test_what_the_rules_read_is_there_at_0_and_nothing_else(
    slos: str, series: set[str], tmp_path: Path
) -> None:
    """A route's series before its first request are those that slo.yaml's SLIs count."""
    file = tmp_path / "slo.yaml"
    file.write_text(text_of(f"{{ name: a, description: d, objective: 99%, sli: {slos} }}"))
    app = FastAPI(openapi_url=None)
    app.add_api_route("/pay", lambda: None)
    with observed(app, slo_file=file):
        metrics = await scrape(app)
    found = {
        labels[2]: value
        for (name, labels), value in metrics.samples.items()
        if name in ("etter_requests_total", "etter_request_duration_seconds_count")
    }
    assert found == dict.fromkeys(series, 0.0)
    assert not [key for key in metrics.samples if "ttfb" in key[0] or "_size_" in key[0]]


async def test_the_page_of_500_routes_is_a_megabyte() -> None:
    """Before the first request: two counters and one histogram for each route."""
    app = FastAPI(openapi_url=None)
    for number in range(500):
        app.add_api_route(f"/api/v1/things-{number}/{{identifier}}", lambda: None)
    with observed(app):
        page = (await request(app, "GET", "/metrics")).body.decode()
    lines = [line for line in page.splitlines() if not line.startswith("#")]
    assert len(lines) < 9_000
    assert len(page) < 1_200_000


async def test_a_route_of_many_methods_begins_with_its_counters_alone() -> None:
    """A proxy of 500 routes and eight methods each shows 8,000 zeros, not 500,000."""
    app = FastAPI(openapi_url=None)
    for number in range(500):
        app.add_api_route(f"/upstream-{number}/{{path:path}}", lambda: None, methods=METHODS)
    with observed(app):
        metrics = await scrape(app)
        assert len(metrics.samples) < 8_500
        await request(app, "POST", "/upstream-7/a/b")
        after = await scrape(app)
    endpoint = "/upstream-7/{path:path}"
    assert after.value("requests_total", "POST", endpoint, "200") == 1
    assert after.value("request_duration_seconds_count", "POST", endpoint, "2xx") == 1


def test_every_label_that_an_sli_chooses_by_outlives_the_cap() -> None:
    """Whatever metric carries it: a route, a status or its class is in the overflow series."""
    registry = MetricsRegistry("etter", series_cap=10)
    registry.few.add("/known")
    chosen = {Label.ENDPOINT: "/known", Label.STATUS: "503", Label.STATUS_CLASS: "5xx"}
    for metric in conventions.METRICS:
        if not chosen.keys() & set(metric.labels):
            continue
        kind = getattr(registry, str(metric.kind))(metric)
        for number in range(20):
            kind.child(*(chosen.get(label, f"v{number}") for label in metric.labels))
    page = parse("".join(render(registry, openmetrics=True)))
    held = {(name.removesuffix("_count"), labels) for name, labels in page.samples}
    for metric in conventions.METRICS:
        if chosen.keys() & set(metric.labels):
            kept = tuple(chosen.get(label, "__overflow__") for label in metric.labels)
            assert (metric.name("etter"), kept) in held
