"""docker-compose.yml as Docker Compose itself reads it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from demo.compose import FILES
from stack.build import binary
from stack.layout import CHECKOUT, Ports

#: Runs once as root, with one capability and no network, to give the collector its volume.
_OWNER_OF_VOLUME = "otel-collector-volume"
#: What `etter-obs init` writes beside docker-compose.yml, and what it makes there.
_SHIPPED = {"alerts", "grafana", "loki", "otel-collector", "prometheus", "secrets", "tempo"}


def _read(*files: str) -> dict[str, dict[str, Any]]:
    named = [part for file in files for part in ("--file", file)]
    done = subprocess.run(
        [binary("docker-compose"), *named, "config", "--format", "json"],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
        text=True,
    )
    services: dict[str, dict[str, Any]] = json.loads(done.stdout)["services"]
    return services


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    """The shipped services, together with the example's and the demo's."""
    return _read(*FILES)


def test_ports_are_published_on_loopback_only(services: dict[str, dict[str, Any]]) -> None:
    """Nothing of the stack can be reached from another machine."""
    published = [port for each in services.values() for port in each.get("ports", ())]
    assert published
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}


def test_native_and_compose_listen_on_the_same_ports(services: dict[str, dict[str, Any]]) -> None:
    """A component has the same address natively and in compose."""
    ports = Ports()
    published = {
        name: [int(port["published"]) for port in each.get("ports", ())]
        for name, each in services.items()
    }
    assert published["prometheus"] == [ports.prometheus]
    assert published["alertmanager"] == [ports.alertmanager]
    assert published["otel-collector"] == [ports.otlp_grpc, ports.otlp_http]
    assert published["loki"] == [ports.loki]


def test_no_container_can_do_more_than_it_must(services: dict[str, dict[str, Any]]) -> None:
    """Each has a read-only image, no capability, no new privileges, and a memory limit."""
    for name, each in services.items():
        assert each["read_only"] is True, name
        assert each["cap_drop"] == ["ALL"], name
        assert each["security_opt"] == ["no-new-privileges:true"], name
        assert int(each["mem_limit"]) <= 2 * 1024**3, name
        assert each["pids_limit"] <= 256, name
    held = {name for name, each in services.items() if each.get("cap_add")}
    assert held == {_OWNER_OF_VOLUME}
    assert services[_OWNER_OF_VOLUME]["network_mode"] == "none"


def test_no_service_runs_as_root(services: dict[str, dict[str, Any]]) -> None:
    """Every service of an official image names its user; the backend's image does so itself."""
    users = {name: each.get("user", "") for name, each in services.items()}
    assert users.pop(_OWNER_OF_VOLUME) == "root"
    dockerfile = (CHECKOUT / "examples/etter_backend/Dockerfile").read_text(encoding="utf-8")
    assert "\nUSER app\n" in dockerfile
    for name in ("backend", "receiver"):
        assert services[name]["image"] == "etter-obs-backend"
        users.pop(name)
    assert not {name for name, user in users.items() if user in ("", "0", "root")}


def test_every_service_has_a_health_check(services: dict[str, dict[str, Any]]) -> None:
    """Each has a health check of its image; only the collector is checked by another service."""
    without = {name for name, each in services.items() if "healthcheck" not in each}
    assert without == {"otel-collector", _OWNER_OF_VOLUME}
    assert "otel-collector:13133" in str(services["otel-collector-health"]["healthcheck"])
    shells = {"/bin/sh", "sh", "bash", "CMD-SHELL"}
    for name, each in services.items():
        assert not shells & set(each.get("healthcheck", {}).get("test", ())), name


def test_no_password_is_in_the_file(services: dict[str, dict[str, Any]]) -> None:
    """A service that needs a password reads it from a file."""
    for name, each in services.items():
        for key, value in (each.get("environment") or {}).items():
            if "PASS" in key:
                assert key.endswith("_FILE"), (name, key)
                assert str(value).startswith("/run/secrets/"), (name, key)


def test_a_user_s_project_has_all_that_the_shipped_file_mounts() -> None:
    """Each folder that docker-compose.yml mounts travels with it; the demo's file is not needed."""
    mounted = [
        Path(volume["source"])
        for each in _read("docker-compose.yml").values()
        for volume in each.get("volumes", ())
        if volume["type"] == "bind" and volume["source"] != "/"
    ]
    assert mounted
    assert {path.relative_to(CHECKOUT).parts[0] for path in mounted} <= _SHIPPED


def test_tokens_are_where_the_scrape_jobs_look_for_them() -> None:
    """Prometheus's own secrets, and no others, are two folders above the jobs that name them."""
    mounted = {
        Path(volume["target"]): volume
        for volume in _read("docker-compose.yml")["prometheus"]["volumes"]
    }
    project = next(target.parent for target in mounted if target.name == "alerts")
    volume = mounted[project / "secrets/prometheus"]
    assert Path(volume["source"]) == CHECKOUT / "secrets/prometheus"
    assert volume["read_only"] is True
    assert (project / "prometheus") in mounted
    assert [target for target in mounted if "secrets" in target.parts] == [Path(volume["target"])]


def test_only_an_image_that_a_registry_has_is_pulled(services: dict[str, dict[str, Any]]) -> None:
    """The image built here is pulled from no registry, whichever service runs it."""
    built = {each["image"] for each in services.values() if "build" in each}
    for name, each in services.items():
        if each["image"] in built:
            assert "build" in each or each.get("pull_policy") == "never", name
