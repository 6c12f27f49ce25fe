"""A copy of a user's project in a temporary folder, under Docker Compose."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from etter_obs._internal.generate.scrape import scrape
from etter_obs._internal.secret_files import ensure_secrets
from etter_obs._internal.slo.loading.loader import load_spec
from stack.compose.engine import Engine, EngineError
from stack.layout import CHECKOUT, Ports

_NAME = "etter-obs-test"
_FILES = ("docker-compose.yml", "docker-compose.demo.yml")
_CONFIG = ("alerts", "grafana", "loki", "otel-collector", "prometheus", "tempo")
_BACKEND_TARGETS = "examples/etter_backend/targets.yml"


class Project:
    """A copy of the shipped files and the demo's, with new secrets and free ports.

    The backend requires a token at /metrics; Prometheus reads it from its secret file.
    `services` are the services to run; `folder` must be empty.
    """

    def __init__(self, docker: Engine, folder: Path, services: Sequence[str]) -> None:
        self.folder = folder
        self.services = services
        for name in _CONFIG:
            shutil.copytree(CHECKOUT / name, folder / name)
        for name in (*_FILES, _BACKEND_TARGETS):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, folder / name)
        folder.chmod(0o755)  # the containers' users read their configuration there
        ensure_secrets(folder)
        _name_the_token(folder)
        free = Ports.free()
        self._ports = {
            "PROMETHEUS_PORT": free.prometheus,
            "ALERTMANAGER_PORT": free.alertmanager,
            "LOKI_PORT": free.loki,
            "OTLP_GRPC_PORT": free.otlp_grpc,
            "OTLP_HTTP_PORT": free.otlp_http,
            "TEMPO_PORT": free.collector_health,
            "GRAFANA_PORT": free.collector_metrics,
            "BACKEND_PORT": free.node_exporter,
        }
        settings = {name: str(port) for name, port in self._ports.items()}
        settings |= {
            "COMPOSE_PROJECT_NAME": _NAME,
            "ETTER_FAULTS": "on",
            "ETTER_OBS_METRICS_TOKEN_FILE": "/run/secrets/metrics-token",
        }
        self._docker = Engine({**docker.environment, **settings}, docker.own)

    def url(self, service: str) -> str:
        """Return the URL at which a service is published on loopback."""
        return f"http://127.0.0.1:{self._ports[f'{service.upper()}_PORT']}"

    def up(self) -> None:
        """Start the services. Raises EngineError if one cannot be started."""
        self._compose("up", "--detach", "--no-build", *self.services)

    def containers(self) -> list[dict[str, Any]]:
        """Return what `docker compose ps` reports of each container, also of stopped ones."""
        listed = self._compose("ps", "--all", "--format", "json")
        return [json.loads(line) for line in listed.splitlines() if line.startswith("{")]

    def inspect(self, container: str) -> dict[str, Any]:
        """Return what `docker inspect` reports of a container, by its id."""
        held: list[dict[str, Any]] = json.loads(self._docker.docker("inspect", container))
        return held[0]

    def logs(self) -> str:
        """Return the end of each service's log."""
        with suppress(EngineError):
            return self._compose("logs", "--no-color", "--tail", "15")
        return ""

    def down(self) -> None:
        """Remove the containers, networks and volumes of this project."""
        with suppress(EngineError):
            self._compose("down", "--volumes", "--timeout", "10")

    def _compose(self, *arguments: str) -> str:
        return self._docker.compose(self.folder, _FILES, *arguments)


def _name_the_token(folder: Path) -> None:
    """Generate the scrape job from a slo.yaml that names the token's file."""
    named = {"metrics_token_file": "secrets/prometheus/metrics-token"}
    spec = load_spec(CHECKOUT / "slo.yaml").model_copy(update=named)
    for path, text in scrape(spec).items():
        (folder / path).write_text(text, encoding="utf-8")
