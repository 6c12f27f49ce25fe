"""One version of each component, wherever it is written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from stack.layout import CHECKOUT
from stack.versions import BUILDS, IMAGES, Build

_MODULES = CHECKOUT / "stack/modules"
#: Services of docker-compose.yml that only help the collector; their image is node-exporter's.
_HELPERS = {"otel-collector-volume", "otel-collector-health"}


def _services() -> dict[str, dict[str, str]]:
    read = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8"))
    services: dict[str, dict[str, str]] = read["services"]
    return services


def test_compose_runs_the_versions_of_the_table() -> None:
    """Every service of docker-compose.yml has the image, tag included, that the table names."""
    services = _services()
    images = {name: services[name]["image"] for name in services if name not in _HELPERS}
    assert images == IMAGES
    assert {services[name]["image"] for name in _HELPERS} == {IMAGES["node-exporter"]}


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.name)
def test_go_modules_require_the_versions_of_the_table(build: Build) -> None:
    """Each go.mod requires its program at the table's version, and has a go.sum to verify it by."""
    folder = _MODULES / build.name
    required = f"{build.requirement} {build.module_version}"
    pattern = rf"^\s*(require )?{re.escape(required)}( // indirect)?$"
    assert re.search(pattern, _text(folder / "go.mod"), re.MULTILINE)
    assert f"{required} h1:" in _text(folder / "go.sum")


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("prometheus", "prometheus"),
        ("alertmanager", "alertmanager"),
        ("node_exporter", "node-exporter"),
        ("collector", "otel-collector"),
        ("loki", "loki"),
    ],
)
def test_native_and_compose_run_the_same_version(name: str, service: str) -> None:
    """What is built for the native stack has the version of the image that compose runs."""
    build = next(build for build in BUILDS if build.name == name)
    assert IMAGES[service].rpartition(":")[2].removeprefix("v") == build.version


def test_every_part_of_the_collector_has_its_version() -> None:
    """The collector's manifest names each component at a version that its go.mod requires too."""
    manifest = yaml.safe_load(_text(_MODULES / "collector/manifest.yaml"))
    pinned = _text(_MODULES / "collector/go.mod")
    version = next(build.version for build in BUILDS if build.name == "collector")
    assert manifest["dist"]["version"] == version
    kinds = ("receivers", "processors", "exporters", "extensions", "providers")
    parts = [each["gomod"] for kind in kinds for each in manifest[kind]]
    assert [part for part in parts if f"\t{part}\n" not in pinned] == []


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
