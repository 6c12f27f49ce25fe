"""`stack test-compose`: docker-compose.yml starts on a real engine and works end to end."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from etter_obs._internal.conventions import Alert
from stack.compose.engine import EngineError, engine
from stack.compose.images import build_backend, provide
from stack.compose.project import Project
from stack.progress import Task
from stack.versions import IMAGES

_API = "/api/etter"
_HEALTHY_TIMEOUT = 180.0  # seconds
_ARRIVAL_TIMEOUT = 60.0
_ALERT_TIMEOUT = 240.0  # discovery, a scrape and a few evaluations of 30 s
#: Prometheus's job for each service that is scraped.
_JOBS = {
    "prometheus": "prometheus",
    "alertmanager": "alertmanager",
    "otel-collector": "otel-collector",
    "loki": "loki",
    "tempo": "tempo",
    "grafana": "grafana",
    "node-exporter": "node",
    "redis-exporter": "redis",
    "postgres-exporter": "postgres",
    "backend": "etter",
}


class ScenarioError(AssertionError):
    """A requirement does not hold; the message says what was observed."""


def test_compose() -> None:
    """Start docker-compose.yml and check that a request, its log line and an alert pass through.

    Raises:
        EngineError: no engine, or an engine's command failed.
        ScenarioError: the stack runs, but a check failed.
    """
    with ExitStack() as undo:
        docker = undo.enter_context(engine())
        sources = provide(docker)
        for service, image in IMAGES.items():
            source = sources.get(service, "NOT AVAILABLE HERE")
            print(f"{service:18} {image:48} {source}", flush=True)
        build_backend(docker)
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="etter-obs-compose-")))
        project = Project(docker, folder, [*sources, "otel-collector-health", "backend"])
        undo.callback(project.down)
        try:
            with Task("docker compose up"):
                project.up()
            _eventually("every service is healthy", lambda: _unhealthy(project), _HEALTHY_TIMEOUT)
            _check_hardening(project)
            _check_scrapes(project)
            _check_answer(project)
            _check_log_line(project)
            if "tempo" in sources:
                _check_trace(project)
            if "grafana" in sources:
                _check_grafana(project)
            _check_alert(project)
        except (ScenarioError, EngineError):
            print(project.logs(), flush=True)
            raise
    missing = sorted(set(IMAGES) - set(sources))
    print(f"not covered, because an image is missing: {', '.join(missing) or 'nothing'}")


def _unhealthy(project: Project) -> str | None:
    health = {each["Service"]: each["Health"] for each in project.containers()}
    # The collector's image has no health check; otel-collector-health checks it.
    waiting = [
        f"{service} is {health.get(service) or 'absent'}"
        for service in project.services
        if service != "otel-collector" and health.get(service) != "healthy"
    ]
    return ", ".join(waiting) or None


def _check_hardening(project: Project) -> None:
    """No container is root, gains a privilege or writes to its image; ports are on loopback."""
    running = [each for each in project.containers() if each["State"] == "running"]
    for each in running:
        held = project.inspect(each["ID"])
        host = held["HostConfig"]
        published = held["NetworkSettings"]["Ports"] or {}
        addresses = {to["HostIp"] for bindings in published.values() for to in bindings or ()}
        wrong = {
            "root": held["Config"]["User"] in ("", "0", "root"),
            "a writable image": not host["ReadonlyRootfs"],
            "capabilities": host["CapDrop"] != ["ALL"] or bool(host["CapAdd"]),
            "new privileges": "no-new-privileges:true" not in host["SecurityOpt"],
            "unbounded memory": not host["Memory"],
            "a public port": not addresses <= {"127.0.0.1"},
        }
        if found := [name for name, is_so in wrong.items() if is_so]:
            raise ScenarioError(f"{each['Service']} has {', '.join(found)}")
    print(
        f"ok: none of {len(running)} containers has root, a capability or a public port", flush=True
    )


def _check_scrapes(project: Project) -> None:
    """Prometheus scrapes every service that runs; also the backend, which rejects other clients."""
    told = httpx.get(f"{project.url('backend')}/metrics", timeout=10).status_code
    if told != httpx.codes.UNAUTHORIZED:
        raise ScenarioError(f"without a token the backend's /metrics answers {told}")
    wanted = {_JOBS[service] for service in project.services if service in _JOBS}
    asked = f"{project.url('prometheus')}/api/v1/query"

    def missing() -> str | None:
        up = _json(asked, params={"query": "up == 1"})["data"]["result"]
        return ", ".join(sorted(wanted - {each["metric"]["job"] for each in up})) or None

    _eventually(f"Prometheus scrapes {', '.join(sorted(wanted))}", missing, _ARRIVAL_TIMEOUT)


def _check_answer(project: Project) -> None:
    """The backend is ready and finds PostgreSQL's rows: it causes no later failure."""

    def missing() -> str | None:
        ready = httpx.get(f"{project.url('backend')}/health/ready", timeout=10)
        found = _search(project, {})
        if ready.is_success and found.is_success and found.json()["data"]:
            return None
        return f"ready: {ready.status_code}, search: {found.status_code}"

    _eventually("the backend finds what PostgreSQL holds", missing, _ARRIVAL_TIMEOUT)


def _check_log_line(project: Project) -> None:
    """A request's log line is in Loki, found by the X-Request-ID that the response carries."""
    request_id = f"compose-{uuid4().hex}"
    answer = _search(project, {"X-Request-ID": request_id})
    if answer.headers.get("X-Request-ID") != request_id:
        raise ScenarioError(f"{request_id} was sent, the response has {dict(answer.headers)}")
    asked = f"{project.url('loki')}/loki/api/v1/query_range"
    query = f'{{service_name="etter"}} | request_id = "{request_id}"'

    def missing() -> str | None:
        return None if _json(asked, params={"query": query})["data"]["result"] else query

    _eventually("the request's log line is in Loki", missing, _ARRIVAL_TIMEOUT)


def _check_trace(project: Project) -> None:
    """A sampled request's trace is in Tempo."""
    trace_id = uuid4().hex
    _search(project, {"traceparent": f"00-{trace_id}-{uuid4().hex[:16]}-01"})

    def missing() -> str | None:
        found = httpx.get(f"{project.url('tempo')}/api/v2/traces/{trace_id}", timeout=10)
        return None if found.status_code == httpx.codes.OK else str(found.status_code)

    _eventually("the request's trace is in Tempo", missing, _ARRIVAL_TIMEOUT)


def _check_grafana(project: Project) -> None:
    """Grafana accepts the password of its file and has its data sources and dashboards."""
    password = (project.folder / "secrets/grafana-admin-password").read_text(encoding="utf-8")
    login = httpx.BasicAuth("admin", password)
    grafana = project.url("grafana")
    sources = {each["uid"] for each in _json(f"{grafana}/api/datasources", auth=login)}
    if not {"prometheus", "loki", "tempo", "alertmanager"} <= sources:
        raise ScenarioError(f"Grafana has only the data sources {sorted(sources)}")
    boards = _json(f"{grafana}/api/search", params={"type": "dash-db"}, auth=login)
    shipped = len(list((project.folder / "grafana/dashboards").glob("*.json")))
    if len(boards) != shipped:
        raise ScenarioError(f"Grafana has {len(boards)} of {shipped} dashboards")
    print(f"ok: Grafana has its data sources and {shipped} dashboards", flush=True)


def _check_alert(project: Project) -> None:
    """The watchdog is in Alertmanager; broken routes fire the page of the availability SLO."""
    watchdog = _alert(project, Alert.WATCHDOG)
    _eventually("the watchdog is in Alertmanager", watchdog, _ALERT_TIMEOUT)
    faults = f"{project.url('backend')}{_API}/faults/companies"
    httpx.put(faults, json={"error_share": 1.0}, timeout=10).raise_for_status()
    name = Alert.burn_rate("page", "1h")
    page = _alert(project, name, slo="availability")

    def missing() -> str | None:
        for _ in range(10):
            _search(project, {})
        return page()

    _eventually(f"{name} of availability is in Alertmanager", missing, _ALERT_TIMEOUT)


def _alert(project: Project, name: str, **labels: str) -> Callable[[], str | None]:
    wanted = {"alertname": name, **labels}

    def missing() -> str | None:
        alerts = _json(f"{project.url('alertmanager')}/api/v2/alerts")
        if any(wanted.items() <= each["labels"].items() for each in alerts):
            return None
        return f"only {sorted({each['labels']['alertname'] for each in alerts})}"

    return missing


def _search(project: Project, headers: Mapping[str, str]) -> httpx.Response:
    url = f"{project.url('backend')}{_API}/companies/search"
    return httpx.get(url, params={"q": "a"}, headers=headers, timeout=10)


def _eventually(what: str, missing: Callable[[], str | None], within: float) -> None:
    """Poll each second until nothing is `missing`. Raises ScenarioError after `within` seconds."""
    deadline = time.monotonic() + within
    with Task(what) as task:
        while True:
            try:
                lacking = missing()
            except httpx.HTTPError as error:
                lacking = str(error) or type(error).__name__
            if lacking is None:
                break
            if time.monotonic() > deadline:
                raise ScenarioError(f"{what}: not within {within:.0f} s; last seen: {lacking}")
            task.update(f"waiting ({lacking})")
            time.sleep(1)


def _json(url: str, params: Mapping[str, str] | None = None, auth: httpx.Auth | None = None) -> Any:
    answer = httpx.get(url, params=params, auth=auth, timeout=10)
    answer.raise_for_status()
    return answer.json()
