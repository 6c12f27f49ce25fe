"""The real Alertmanager with generated routing, and what receivers get."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demo.databases import free_port
from etter_obs._internal.slo.loading.loader import parse_specs
from stack.build import binary
from tests.http_server import Call, http_server
from tests.slo.specs import ROOT, generated, text_of, written
from tests.waiting import eventually

AVAILABILITY = (
    "{ name: availability, description: It answers., objective: 99.9%, "
    "sli: { requests: { bad_status: 5xx } } }"
)


@contextmanager
def receiving() -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """Run a receiver that says ok, as Slack does; give its address and what arrives."""
    posts: list[tuple[str, dict[str, Any]]] = []

    def answer(call: Call) -> tuple[int, bytes]:
        posts.append((call.path, json.loads(call.body)))
        return 200, b"ok"

    with http_server(answer) as url:
        yield url, posts


@contextmanager
def alertmanager(root: Path, **environment: str) -> Iterator[str]:
    """Run the real Alertmanager in the project ``root``; give its address."""
    address = f"127.0.0.1:{free_port()}"
    with (root / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(
            [
                binary("alertmanager"),
                "--config.file=alerts/alertmanager.yml",
                f"--storage.path={root / 'data'}",
                f"--web.listen-address={address}",
                "--cluster.listen-address=",
            ],
            cwd=root,
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
        )
        try:
            eventually(lambda: _answers(f"http://{address}/-/ready"), deadline_s=30)
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait(timeout=20)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def post(url: str, alerts: list[dict[str, Any]]) -> None:
    """Send alerts as Prometheus does."""
    request = urllib.request.Request(
        f"{url}/api/v2/alerts",
        data=json.dumps(alerts).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 200


def project(root: Path, receiver: str, url: str) -> None:
    """Write a project whose pages and tickets go to ``receiver``, with ``url`` as the secret."""
    text = text_of(AVAILABILITY, more="links: { grafana: 'https://grafana.example.org' }\n")
    shipped = "{ webhook: { url_file: secrets/a } }"
    [spec] = parse_specs(text.replace(shipped, receiver), "slo.yaml")
    written(generated((spec,)), root)
    (root / "secrets").mkdir()
    (root / "secrets/url").write_text(url)
    template = (ROOT / "alerts/templates/etter.tmpl").read_text(encoding="utf-8")
    (root / "alerts/templates").mkdir()
    (root / "alerts/templates/etter.tmpl").write_text(template, encoding="utf-8")


def changed(root: Path, old: str, new: str) -> None:
    """Change the project's own copy of what was generated for Alertmanager, in one place or more.

    What is replaced must stand there, so a test says what the generated file holds.
    """
    path = root / "alerts/alertmanager.yml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def alert(name: str, slo: str | None = "availability", **labels: str) -> dict[str, Any]:
    """Return an alert with the labels that the rules give it."""
    own = {"alertname": name, "service": "shop", "environment": "production", "team": "shop-team"}
    return {"labels": own | ({"slo": slo} if slo else {}) | labels}
