"""Uses every route of the example backend in every way, so that every metric has a sample."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from demo.backend import Backend

API = "/api/etter"


def use_everything(backend: Backend) -> None:
    """Hits, misses, 4xx, 5xx, slow ones, a WebSocket, N+1, and both servers broken for a while."""
    # uvicorn drops the connection after an unhandled exception, so none is used twice
    once = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=backend.base_url, timeout=30, limits=once) as http:
        _reads(http)
        _writes(http)
        for target in ("companies", "workflows", "simulation", "adjacency", "database", "cache"):
            backend.break_(target, error_share=1.0)
            _reads(http)
            backend.mend(target)
        backend.break_("simulation", latency_seconds=1.2)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: http.post(f"{API}/simulation/run", json={}), range(16)))
        backend.mend("simulation")
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
        "/get_chro_data",
        "/roles/analyst/adjacent",
        "/roles/nobody/adjacent",
        "/tasks/plan/adjacent",
        "/no/such/path",
        "/faults",
    ):
        for _ in range(3):
            http.get(API + path)
    for path in ("/docs", "/docs/oauth2-redirect", "/openapi.json", "/redoc"):
        http.get(path)
    http.post(f"{API}/simulation/run", json={})


def _writes(http: httpx.Client) -> None:
    made = http.post(f"{API}/workflows", json={"company_id": 1, "title": "Everything"})
    again = http.post(f"{API}/workflows", json={"company_id": 1, "title": "Everything"})
    assert again.status_code == 409
    url = f"{API}/workflows/{made.json()['data']['id']}"
    http.put(url, json={"company_id": 1, "title": "Everything", "status": "done"})
    assert http.delete(url).status_code == 204
