"""Grafana and Tempo where they are installed: neither is available as a Go module.

A native run uses them with the shipped configuration, in which the addresses of compose become
those of the run. Without Tempo, `trace_store.py` takes its place.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from etter_obs._internal.secret_files import ensure_secrets
from etter_obs._internal.settings import named_program
from stack.layout import Ports, write_atomically
from stack.versions import IMAGES, NATIVE, OPTIONAL

_HOMES = ("..", "../share/grafana", "/usr/share/grafana")  # of an archive, Homebrew, a package
_LOOPBACK = "127.0.0.1"
_VERSION_TIMEOUT = 20.0


class ProgramError(RuntimeError):
    """Grafana or Tempo cannot be run; the message names the variable to set."""


def find(name: str) -> Path | None:
    """Return Grafana or Tempo: the program that its variable names, else the one on the PATH.

    A Tempo on the PATH must have the major version of compose: the configuration differs between
    them.

    Raises ProgramError if the variable names no program.
    """
    named = named_program(name)
    if named == "off":
        return None
    if named:
        found = shutil.which(Path(named).absolute())
        if found is None:
            raise ProgramError(f"ETTER_OBS_{name.upper()} is {named!r}, which is not a program")
        return Path(found)
    on_path = shutil.which(name)
    pinned = IMAGES[name].rpartition(":")[2].partition(".")[0]
    if on_path and name == "tempo" and _major(on_path) != pinned:
        print(
            f"stack: {on_path} is ignored: it is no Tempo {pinned}, the version of "
            f"docker-compose.yml; ETTER_OBS_TEMPO={on_path} runs it all the same",
            file=sys.stderr,
        )
        return None
    return Path(on_path).absolute() if on_path else None


def components() -> tuple[str, ...]:
    """Return what a native run consists of on this machine: with Grafana if it is installed."""
    return (*NATIVE, *(name for name in OPTIONAL if find(name)))


def configure(
    run_dir: Path, config_root: Path, ports: Ports, only: Collection[str]
) -> dict[str, str]:
    """Write the configuration of those in `only`; return the variables that the Procfile reads."""
    variables = {"TRACES_TO": "to-file"}
    if "tempo" in only:
        variables |= _tempo(run_dir, config_root, ports)
    if "grafana" in only:
        variables |= _grafana(run_dir, config_root, ports)
    return variables


def _tempo(run_dir: Path, config_root: Path, ports: Ports) -> dict[str, str]:
    program = find("tempo")
    if program is None:
        # -P: the folder of the file holds modules named like others' (build, cache).
        store: list[str | Path | int] = [
            sys.executable,
            "-P",
            Path(__file__).parent / "trace_store.py",
        ]
        store += [run_dir / "data/traces.jsonl", ports.tempo]
        return {"TEMPO_COMMAND": shlex.join(map(str, store))}
    held = yaml.safe_load((config_root / "tempo/config.yaml").read_text(encoding="utf-8"))
    data = run_dir / "data/tempo"
    held["server"] |= {
        "http_listen_address": _LOOPBACK,
        "http_listen_port": ports.tempo,
        "grpc_listen_address": _LOOPBACK,
        "grpc_listen_port": ports.tempo_grpc,
    }
    otlp = f"{_LOOPBACK}:{ports.tempo_otlp}"
    held["distributor"]["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"] = otlp
    held["storage"]["trace"]["wal"]["path"] = str(data / "wal")
    held["storage"]["trace"]["local"]["path"] = str(data / "blocks")
    generator = held["metrics_generator"]["storage"]
    generator["path"] = str(data / "generator")
    generator["remote_write"][0]["url"] = f"http://{_LOOPBACK}:{ports.prometheus}/api/v1/write"
    _write(run_dir / "config/tempo/config.yaml", held)
    command = [str(program), "-target=all", "-config.file=config/tempo/config.yaml"]
    return {
        "TEMPO_COMMAND": shlex.join(command),
        "TRACES_TO": "to-tempo",
        "TEMPO_OTLP_ADDRESS": otlp,
    }


def _grafana(run_dir: Path, config_root: Path, ports: Ports) -> dict[str, str]:
    """Set Grafana up as compose does, with this run's addresses and folders.

    Dashboards are read from the project, so that `etter-obs generate` changes them in a run, too.
    """
    program = find("grafana")
    if program is None:
        raise ProgramError("no grafana on the PATH; set ETTER_OBS_GRAFANA")
    root = config_root.absolute()
    provisioning, data = run_dir / "config/grafana/provisioning", run_dir / "data/grafana"
    shipped = root / "grafana/provisioning"
    sources = yaml.safe_load((shipped / "datasources/stack.yaml").read_text(encoding="utf-8"))
    for source in sources["datasources"]:
        source["url"] = f"http://{_LOOPBACK}:{getattr(ports, source['uid'])}"
    _write(provisioning / "datasources/stack.yaml", sources)
    boards = yaml.safe_load((shipped / "dashboards/dashboards.yaml").read_text(encoding="utf-8"))
    boards["providers"][0]["options"]["path"] = str(root / "grafana/dashboards")
    _write(provisioning / "dashboards/dashboards.yaml", boards)
    ensure_secrets(root)
    compose = yaml.safe_load((root / "docker-compose.yml").read_text(encoding="utf-8"))
    settings: dict[str, str] = compose["services"]["grafana"]["environment"]
    # Only the image knows GF_…__FILE; the program itself reads files by another form.
    kept = {name: value for name, value in settings.items() if not name.endswith("__FILE")}
    return kept | {
        "GRAFANA": str(program),
        "GRAFANA_HOME": str(_home(program)),
        "GF_SECURITY_ADMIN_PASSWORD": f"$__file{{{root / 'secrets/grafana-admin-password'}}}",
        "GF_SERVER_HTTP_ADDR": _LOOPBACK,
        "GF_SERVER_HTTP_PORT": str(ports.grafana),
        "GF_SERVER_ROOT_URL": f"http://{_LOOPBACK}:{ports.grafana}",
        "GF_PATHS_DATA": str(data),
        "GF_PATHS_PLUGINS": str(data / "plugins"),
        "GF_PATHS_LOGS": str(run_dir / "logs"),
        "GF_PATHS_PROVISIONING": str(provisioning),
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(
            root / "grafana/dashboards/slo-overview.json"
        ),
    }


def _home(program: Path) -> Path:
    """Return the folder of Grafana's defaults and pages."""
    for place in _HOMES:
        home = (program.resolve().parent / place).resolve()
        if (home / "conf/defaults.ini").is_file():
            return home
    raise ProgramError(
        f"no conf/defaults.ini belongs to {program}; name the program of an installation by "
        "ETTER_OBS_GRAFANA"
    )


def _major(program: str) -> str | None:
    command = [program, "--version"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_VERSION_TIMEOUT
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"version v?(\d+)\.", done.stdout + done.stderr)
    return found[1] if found else None


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, yaml.safe_dump(content, sort_keys=False))
