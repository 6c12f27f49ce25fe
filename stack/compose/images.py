"""The images of docker-compose.yml: pulled, or substitutes in an engine of this process."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from stack.build import binary
from stack.cache import cache_root, locked
from stack.compose.engine import Engine, EngineError, apt_install, system_environment
from stack.layout import CHECKOUT
from stack.progress import Task
from stack.versions import IMAGES

BACKEND = "etter-obs-backend"

_STANDINS = Path(__file__).parent / "standins"
_PROGRAMS = (
    "prometheus",
    "promtool",
    "alertmanager",
    "amtool",
    "node_exporter",
    "otelcol",
    "loki",
)
_DEBIAN_PACKAGES = (
    "busybox-static",
    "postgresql",
    "prometheus-postgres-exporter",
    "prometheus-redis-exporter",
    "python3",
    "python3-pip",
    "redis-server",
)
#: How each substitute differs from the image whose name it has.
STANDINS = {
    "prometheus": "the pinned version, built from its Go module",
    "alertmanager": "the pinned version, built from its Go module",
    "node-exporter": "the pinned version, built from its Go module",
    "otel-collector": "the pinned version, built from its Go modules",
    "loki": "the pinned version, built from its Go module",
    "postgres": "Debian's PostgreSQL",
    "redis": "Debian's Redis",
    "redis-exporter": "Debian's redis_exporter",
    "postgres-exporter": "Debian's postgres_exporter",
}
_PYTHON = "python:3.11-slim"


def provide(engine: Engine) -> dict[str, str]:
    """Give the engine every available image; return the origin of each service's image.

    A service without an entry has no image here. A substitute gets a pinned name only in an engine
    that this process started.
    """
    if not engine.own:
        return {service: "official" for service, image in IMAGES.items() if _pulled(engine, image)}
    with Task("building stand-in images"):
        _import_debian(engine)
        _import_programs(engine)
        for service in STANDINS:
            _build(engine, service, IMAGES[service])
        _build(engine, "python", _PYTHON)
    return dict(STANDINS)


def build_backend(engine: Engine) -> None:
    """Build the example backend's image from its own Dockerfile."""
    with Task("building the example backend's image"):
        dockerfile = CHECKOUT / "examples/etter_backend/Dockerfile"
        engine.docker(
            "build", "--quiet", "--network=host", "--tag", BACKEND, "--file", dockerfile, CHECKOUT
        )


def _pulled(engine: Engine, image: str) -> bool:
    for command in (("image", "inspect", image), ("pull", "--quiet", image)):
        try:
            engine.docker(*command)
        except EngineError:
            continue
        return True
    return False


def _build(engine: Engine, target: str, image: str) -> None:
    engine.docker("build", "--quiet", f"--target={target}", "--tag", image, _STANDINS)


def _import_programs(engine: Engine) -> None:
    """Import one image of all static programs, so that each is sent to the engine once."""
    with tempfile.TemporaryDirectory(prefix="etter-obs-programs-") as scratch:
        folder = Path(scratch) / "root"
        folder.mkdir()
        for name in _PROGRAMS:
            shutil.copy(binary(name), folder)
        certificates = os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
        shutil.copy(certificates, folder / "ca-certificates.crt")
        archive = shutil.make_archive(f"{scratch}/programs", "tar", folder)
        engine.docker("import", archive, "etter-obs-programs")


def _import_debian(engine: Engine) -> None:
    """Import a small Debian of this machine's release for the substitutes; it is cached."""
    digest = hashlib.sha256(" ".join(_DEBIAN_PACKAGES).encode()).hexdigest()[:12]
    archive = cache_root() / f"debian-{digest}.tar"
    with locked("debian"):
        if not archive.exists():
            apt_install("mmdebstrap")
            partial = archive.with_suffix(".partial.tar")
            command = ["mmdebstrap", "--quiet", "--variant=minbase"]
            command += [f"--include={','.join(_DEBIAN_PACKAGES)}"]
            for unused in ("doc", "man", "locale"):
                command += [f"--dpkgopt=path-exclude=/usr/share/{unused}/*"]
            subprocess.run([*command, _release(), partial], env=system_environment(), check=True)
            partial.rename(archive)
    engine.docker("import", archive, "etter-obs-debian")


def _release() -> str:
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    held = dict(line.split("=", 1) for line in lines if "=" in line)
    return held["VERSION_CODENAME"].strip('"')
