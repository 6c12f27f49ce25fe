"""A project as a user has one, in a folder of its own, under Docker Compose."""

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
    """The shipped files with the demo's, copied, with secrets of their own and ports that are free.

    The backend asks for the token at /metrics, and Prometheus has it from its secret file.
    `services` are those to run; `folder` is empty before.
    """

    def __init__(self, docker: Engine, folder: Path, services: Sequence[str]) -> None:
        self.folder = folder
        self.services = services
        for name in _CONFIG:
            shutil.copytree(CHECKOUT / name, folder / name)
        for name in (*_FILES, _BACKEND_TARGETS):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, folder / name)
        folder.chmod(0o755)  # the containers' users read their configuration in it
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
        """Where a service is published on loopback."""
        return f"http://127.0.0.1:{self._ports[f'{service.upper()}_PORT']}"

    def up(self) -> None:
        """Start the services. Raises EngineError where one cannot be started."""
        self._compose("up", "--detach", "--no-build", *self.services)

    def containers(self) -> list[dict[str, Any]]:
        """What `docker compose ps` tells of each container, stopped ones too."""
        listed = self._compose("ps", "--all", "--format", "json")
        return [json.loads(line) for line in listed.splitlines() if line.startswith("{")]

    def inspect(self, container: str) -> dict[str, Any]:
        """What `docker inspect` tells of a container, by its id."""
        held: list[dict[str, Any]] = json.loads(self._docker.docker("inspect", container))
        return held[0]

    def logs(self) -> str:
        """The end of what each service said."""
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
    """Have the scrape job as it follows from a slo.yaml that names the token's file."""
    named = {"metrics_token_file": "secrets/prometheus/metrics-token"}
    spec = load_spec(CHECKOUT / "slo.yaml").model_copy(update=named)
    for path, text in scrape(spec).items():
        (folder / path).write_text(text, encoding="utf-8")
