"""The example backend by itself: what it brings along, answers and hides."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from demo.backend import Backend, backend_running
from demo.databases import Postgres, free_port
from examples.etter_backend.cache.embedded import redis_server
from tests.waiting import eventually

API = "/api/etter"
ONCE = {"Connection": "close"}  # after an exception uvicorn drops the connection


@pytest.fixture(scope="module", params=["embedded", "by URL"])
def backend(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Backend]:
    """Two workers: with nothing configured (SQLite, Redis of their own), and on servers by URL."""
    run_dir = tmp_path_factory.mktemp("backend")
    with ExitStack() as servers:
        urls = {}
        if request.param == "by URL":
            postgres: Postgres = request.getfixturevalue("shared_postgres")
            urls["DATABASE_URL"] = postgres.url().replace("+psycopg", "")
            urls["REDIS_URL"] = servers.enter_context(redis_server(free_port()))
        port = free_port()
        yield servers.enter_context(backend_running(run_dir, port=port, workers=2, **urls))


@pytest.fixture
def http(backend: Backend) -> Iterator[httpx.Client]:
    """A client of it."""
    with httpx.Client(base_url=backend.base_url, timeout=15, headers=ONCE) as client:
        yield client


def test_two_workers_seed_the_database_once(http: httpx.Client) -> None:
    """Workers that start at the same moment leave one set of companies and workflows."""
    assert len(http.get(f"{API}/master_companies").json()["data"]) == 64
    pages = [http.get(f"{API}/workflows?page_size=100&page={page}").json() for page in (1, 2, 3)]
    titles = [(row["company_id"], row["title"]) for page in pages for row in page["data"]]
    assert len(titles) == len(set(titles)) == 256


def test_search_and_autocomplete_find_companies(http: httpx.Client) -> None:
    """A part of the name finds, a beginning completes, and a wildcard is only a character."""
    found = http.get(f"{API}/companies/search", params={"q": "bank"}).json()["data"]
    assert {company["industry"] for company in found} == {"Bank"}
    completed = http.get(f"{API}/companies/autocomplete", params={"q": "ac"}).json()["data"]
    assert completed
    assert all(name.lower().startswith("ac") for name in completed)
    assert http.get(f"{API}/companies/search", params={"q": "%"}).json()["data"] == []


def test_a_workflow_lives_and_ends(http: httpx.Client) -> None:
    """Created, read, changed, refused a second time, deleted, gone."""
    draft = {"company_id": 1, "title": "Offboarding"}
    created = http.post(f"{API}/workflows", json=draft)
    assert created.status_code == 201
    url = f"{API}/workflows/{created.json()['data']['id']}"
    assert http.post(f"{API}/workflows", json=draft).status_code == 409
    assert http.post(f"{API}/workflows", json={**draft, "company_id": 999}).status_code == 422
    assert http.put(url, json={**draft, "status": "done"}).json()["data"]["status"] == "done"
    assert http.get(url).json()["data"]["status"] == "done"
    assert http.delete(url).status_code == 204
    assert http.get(url).status_code == 404


def test_neighbours_come_from_the_model_service(http: httpx.Client) -> None:
    """Roles and tasks have three neighbours, the same each time; unknown ones are 404."""
    for path in (f"{API}/roles/analyst/adjacent", f"{API}/tasks/plan/adjacent"):
        first, again = http.get(path).json()["data"], http.get(path).json()["data"]
        assert first == again
        assert len(set(first)) == 3
    assert http.get(f"{API}/roles/nobody/adjacent").status_code == 404


def test_simulation_gives_plausible_hours(http: httpx.Client) -> None:
    """Half of the week automated saves about twenty hours, the 95th run more than the middle."""
    saved = http.post(f"{API}/simulation/run", json={"automation_share": 0.5}).json()["data"]
    assert 19 < saved["p50_hours"] < 21
    assert saved["p95_hours"] > saved["p50_hours"]


def test_the_switch_breaks_both_workers_and_mends_them(backend: Backend) -> None:
    """While a group of routes is broken each request to it is a 500, by either worker."""

    def statuses() -> set[int]:
        with ThreadPoolExecutor(8) as pool, httpx.Client(timeout=15, headers=ONCE) as client:
            url = f"{backend.base_url}{API}/workflows"
            return set(pool.map(lambda _: client.get(url).status_code, range(40)))

    assert statuses() == {200}
    backend.break_("workflows", error_share=1.0)
    assert statuses() == {500}
    backend.repair("workflows")
    assert statuses() == {200}


def test_a_broken_database_is_seen_by_the_health_check(
    backend: Backend, http: httpx.Client
) -> None:
    """With the database refusing, its routes fail and /health/ready is 503 before long."""
    backend.break_("database", error_share=1.0)
    try:
        assert http.get(f"{API}/workflows").status_code == 500
        assert _comes_to(http, 503)
    finally:
        backend.repair("database")
    assert _comes_to(http, 200)


def _comes_to(http: httpx.Client, status: int) -> bool:
    """Whether /health/ready gives ``status`` once the outcomes in force have grown old."""
    return eventually(lambda: http.get("/health/ready").status_code == status, deadline_s=20)


def test_the_management_port_takes_the_metrics_of_all_workers(tmp_path: Path) -> None:
    """With a management port /metrics is there, for both workers, and not on the app's port."""
    management = free_port()
    with backend_running(
        tmp_path, port=free_port(), workers=2, ETTER_OBS_MANAGEMENT_PORT=str(management)
    ) as backend:
        assert httpx.get(f"{backend.base_url}/metrics").status_code == 404
        apart = f"http://127.0.0.1:{management}"
        eventually(lambda: "etter_workers 2" in httpx.get(f"{apart}/metrics").text, deadline_s=30)
        checks = httpx.get(f"{apart}/health/detailed").json()["checks"]
        assert set(checks) == {"database", "database-sync", "redis", "search"}


def test_without_its_variable_there_is_no_switch(tmp_path: Path) -> None:
    """With ETTER_FAULTS off the switch's routes do not exist."""
    with backend_running(tmp_path, port=free_port(), ETTER_FAULTS="off") as backend:
        answer = httpx.put(f"{backend.base_url}{API}/faults/companies", json={"error_share": 1.0})
        assert answer.status_code == 404
