"""Uses every route of the example backend in every way, so that every metric has a sample."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from demo.backend import Backend

API = "/api/etter"
_TARGETS = (
    *("companies", "users", "workflows", "documents", "simulation", "adjacency"),
    *("database", "cache"),
)
_ROLES = {
    "company": "Acme",
    "n_iterations": 2,
    "automation_factor": 0.3,
    "roles": [{"role": "Engineer", "headcount": 10, "avg_salary": 100000}],
}


def use_everything(backend: Backend) -> None:
    """Hits, misses, 4xx, 5xx, slow ones, N+1, both servers broken for a while; last a WebSocket."""
    # uvicorn drops the connection after an unhandled exception, so none is used twice
    once = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=backend.base_url, timeout=30, limits=once) as http:
        asked = http.post(f"{API}/auth/token", json={"email": "user1@company1.example"})
        http.headers["Authorization"] = f"Bearer {asked.json()['data']['token']}"
        _reads(http)
        _writes(http)
        for target in _TARGETS:
            backend.break_(target, error_share=1.0)
            _everything(http)
            backend.repair(target)
        for feature in ("eager_loading", "async_database"):  # N+1; the pool of the sync engine
            _flip(http, feature, enabled=False)
            _reads(http)
            _flip(http, feature, enabled=True)
        backend.break_("simulation", latency_seconds=1.2)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: http.post(f"{API}/simulation/run", json={}), range(16)))
        backend.repair("simulation")
        backend.break_("database", latency_seconds=0.2)
        http.get(f"{API}/companies/search?q=slow")
        backend.repair("database")
        _reads(http)
    progress = f"{backend.base_url.replace('http', 'ws', 1)}{API}/simulation/progress"
    with connect(progress) as socket, suppress(ConnectionClosed):
        while True:
            socket.recv(timeout=30)


def _reads(http: httpx.Client) -> None:
    for path in (
        "/companies/search?q=ac",
        "/companies/search",
        "/companies/autocomplete?q=ac",
        "/master_companies",
        "/workflows",
        "/workflows/1",
        "/workflows/987654",
        "/workflows/1/metadata",
        "/workflow_history",
        "/get_chro_data",
        "/companies/1",
        "/users",
        "/users/1",
        "/users/autocomplete?q=user",
        "/documents",
        "/documents/1",
        "/documents/1/html",
        "/documents/feed",
        "/roles/adjacent?name=analyst",
        "/roles/analyst/adjacent",
        "/roles/nobody/adjacent",
        "/tasks/plan/adjacent",
        "/tasks/autocomplete?q=p",
        "/health",
        "/features",
        "/no/such/path",
        "/faults",
    ):
        for _ in range(3):
            http.get(API + path)
    for path in ("/docs", "/docs/oauth2-redirect", "/openapi.json", "/redoc"):
        http.get(path)
    http.post(f"{API}/simulation/run", json={})
    http.post(f"{API}/simulation/v1", json=_ROLES)
    http.post(f"{API}/auth/check_auth")


def _flip(http: httpx.Client, feature: str, *, enabled: bool) -> None:
    http.put(f"{API}/features/{feature}", json={"enabled": enabled}).raise_for_status()


def _everything(http: httpx.Client) -> None:
    """Read, and try to write: a route without a row in its path fails before it changes one."""
    _reads(http)
    user = {"email": "everything@company1.example", "username": "e", "job_title": "Engineer"}
    http.delete(f"{API}/users/987654")
    http.patch(f"{API}/users/987654", json={})
    http.patch(f"{API}/companies/1", json={})
    http.post(f"{API}/users", json={**user, "email": "user1@company1.example"})


def _writes(http: httpx.Client) -> None:
    made = http.post(f"{API}/workflows", json={"company_id": 1, "title": "Everything"})
    again = http.post(f"{API}/workflows", json={"company_id": 1, "title": "Everything"})
    assert again.status_code == 409
    url = f"{API}/workflows/{made.json()['data']['id']}"
    http.put(url, json={"company_id": 1, "title": "Everything", "status": "done"})
    assert http.delete(url).status_code == 204
