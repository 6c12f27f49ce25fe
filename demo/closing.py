"""What to open when the demo is over."""

from __future__ import annotations

import shlex
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from demo.measurements import DemoQueries
from demo.platform import Platform
from demo.processes import ROOT
from etter_obs._internal.slo.prometheus.api import PrometheusError


def what_stays(platform: Platform, not_built: str, console: Console) -> None:
    """Print what remains when the demo has stopped its servers, and what was not built in time."""
    if not_built:
        _print(console, f"\nNot built when it ended: {not_built}; `make stack` goes on with that.")
    _print(console, "\nThe servers are stopped; `make demo` keeps them running. Files to read:")
    for name, where in _files(platform):
        _print(console, f"  {name:24}{where}")


def _files(platform: Platform) -> list[tuple[str, str]]:
    lines = [("runbooks", "alerts/runbooks/"), ("SLOs and targets", "slo.yaml")]
    if platform.backend.stdout:
        lines.append(("the app's log lines", _shown(platform.backend.stdout)))
    if platform.traces_file and platform.traces_file.exists():
        lines.append(("spans", _shown(platform.traces_file)))
    return lines


def _viewer(platform: Platform) -> str:
    sources = f"--prometheus {platform.prometheus} --loki {platform.loki}"
    return f".venv/bin/etter-obs view {sources} --traces {platform.tempo}"


def what_to_open(platform: Platform, prometheus: DemoQueries, console: Console) -> None:
    """Print addresses, the traces of failed requests, and how to find one of them."""
    app = platform.backend.base_url
    lines = [
        ("the app", f"{app}/docs  {app}/metrics  {app}/health/ready"),
        ("Alertmanager", platform.alertmanager),
        ("Prometheus, its alerts", f"{platform.prometheus}/api/v1/alerts"),
        *_files(platform),
    ]
    if platform.grafana:
        lines.insert(0, ("Grafana", f"{platform.grafana} (secrets/grafana-admin-password)"))
    else:
        lines.insert(0, ("its dashboards", _viewer(platform)))
    _print(console, "\nWhat to open:", style="bold")
    for name, where in lines:
        _print(console, f"  {name:24}{where}")
    traces: list[str] = []
    with suppress(PrometheusError):
        traces = prometheus.failed_traces()
    if not traces:
        return
    _print(console, "\nTraces of failed requests:", style="bold")
    for trace_id in traces:
        _print(console, f"  {trace_id}")
    _print(console, "\nThe log lines of one of them in Loki, and its spans in Tempo:", style="bold")
    query = shlex.quote(f'query={{service_name="etter"}} | trace_id="{traces[0]}"')
    loki = f"{platform.loki}/loki/api/v1/query_range"
    _print(console, f"  curl --silent --get {loki} --data-urlencode {query}")
    _print(console, f"  curl --silent {platform.tempo}/api/traces/{traces[0]}")
    if platform.grafana:
        _print(console, f"  {platform.grafana}/explore, data source tempo, {traces[0]}")


def _print(console: Console, text: str, style: str = "") -> None:
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
